"""What a driver's exception means for the caller: try again, stop, or give up this row."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ingest.errors import RowRejected, StoreRefused, StoreUnavailable

#: SQLite files that no retry can repair.
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_NOT_AVAILABLE = "55P03"


class ConnectionLost(StoreUnavailable):
    """The connection broke in a transaction, so whether it was committed is unknown."""


class LockTimeout(StoreUnavailable):
    """Another transaction held for too long what this one needed (PostgreSQL's lock_timeout)."""


@contextmanager
def translate(dialect: str) -> Iterator[None]:
    """Raise our errors in place of the drivers'. Errors in our own SQL stay as they are."""
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreUnavailable(f"all database connections are busy: {error}") from error
    except ProgrammingError:
        raise
    except (UnicodeEncodeError, OverflowError) as error:
        raise RowRejected(f"a value cannot be stored: {error}") from None
    except DBAPIError as error:
        meaning = _meaning(error, dialect)
        # PostgreSQL quotes the whole row, body included, in the detail of a data error.
        raise meaning from (None if isinstance(meaning, RowRejected) else error)
    except StatementError as error:
        raise RowRejected(f"a value cannot be stored: {error.orig}") from None


def _meaning(error: DBAPIError, dialect: str) -> Exception:
    cause = error.orig
    if error.connection_invalidated:
        return ConnectionLost(f"the connection to the database broke: {cause}")
    if isinstance(error, IntegrityError | DataError):
        primary = getattr(getattr(cause, "diag", None), "message_primary", None)
        return RowRejected(f"the database cannot hold this row: {primary or cause}")
    if isinstance(error, InterfaceError) and dialect == "sqlite":
        return RowRejected(f"a value cannot be stored: {cause}")
    if getattr(cause, "sqlite_errorcode", None) in _BROKEN:
        return StoreRefused(
            f"the database file is damaged: {cause}. Stop Hookkeeper and restore a backup."
        )
    if getattr(cause, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
        return LockTimeout(f"the database cannot serve now: {cause}")
    return StoreUnavailable(f"the database cannot serve now: {cause}")
