"""The kinds of connections that users have, told apart by what they can do.

No library is imported: who has a connection has its library, and the others are not needed. What
matters beside the spelling is that a transaction is open. On a connection that commits each
statement, the mark would be there before the work is, and a crash between them would lose the work.
"""

import inspect
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from ingest.errors import NotInTransaction

#: A connection of psycopg that is in no transaction; the number is libpq's.
_IDLE = 0


def fetch(connection: Any, statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
    """Run a statement with ``?`` for its parameters, in the open transaction; return its rows."""
    connection = _core(connection)
    if _is_sqlalchemy(connection):
        if not connection.in_transaction():
            connection.begin()  # as its first statement would have done
        raw = connection.connection.driver_connection
        _check_open(raw)
        rows: Sequence[Any] = connection.exec_driver_sql(_spelled(statement, raw), parameters).all()
        return rows
    _check_open(connection)
    with closing(connection.cursor()) as cursor:
        cursor.execute(_spelled(statement, connection), parameters)
        return list(cursor.fetchall())


async def fetch_async(
    connection: Any, statement: str, parameters: tuple[Any, ...]
) -> Sequence[Any]:
    """Do what ``fetch`` does, on a connection whose methods are coroutines."""
    if hasattr(connection, "run_sync"):  # SQLAlchemy's AsyncConnection and AsyncSession
        rows: Sequence[Any] = await connection.run_sync(fetch, statement, parameters)
        return rows
    if not _is_async(connection):
        raise TypeError(f"{_kind(connection)} is not async: use claim()")
    _check_open(connection)
    cursor = await connection.execute(_spelled(statement, connection), parameters)
    return list(await cursor.fetchall())


def run(connection: Any, statement: str) -> None:
    """Run a statement that returns nothing; a transaction is not needed."""
    connection = _core(connection)
    if _is_sqlalchemy(connection):
        connection.exec_driver_sql(statement)
        return
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement)


def _core(connection: Any) -> Any:
    """Return the connection of SQLAlchemy's Session, anything else as it is."""
    if _is_async(connection):
        raise TypeError(f"{_kind(connection)} is async: await claim_async()")
    return connection.connection() if hasattr(connection, "get_bind") else connection


def _is_sqlalchemy(connection: Any) -> bool:
    return hasattr(connection, "exec_driver_sql")


def _check_open(connection: Any) -> None:
    """Raise NotInTransaction for a connection that would commit the next statement by itself."""
    if _is_django(connection):
        # Without atomic(), what Django and its SQLite do with a single statement is not one thing.
        if not connection.in_atomic_block:
            raise _alone("with transaction.atomic(): ...")
    elif _is_sqlite(connection):
        if _sqlite_commits(connection) and not connection.in_transaction:
            raise _alone('connection.execute("BEGIN IMMEDIATE")')
    elif _is_postgresql(connection):
        if connection.autocommit and connection.info.transaction_status == _IDLE:
            raise _alone("with connection.transaction(): ..., or without autocommit")
    else:
        raise TypeError(
            f"the inbox knows connections of SQLAlchemy, psycopg, sqlite3 and Django, to "
            f"PostgreSQL or SQLite; not {_kind(connection)}. Nothing was marked."
        )


def _alone(remedy: str) -> NotInTransaction:
    return NotInTransaction(
        "this connection is in no transaction and would commit the inbox's mark by itself, before "
        f"the work it stands for. Nothing was marked. Open one first: {remedy}"
    )


def _spelled(statement: str, connection: Any) -> str:
    """Write the parameters as a driver wants them; none of our statements has another ``?``."""
    return statement if _is_sqlite(connection) else statement.replace("?", "%s")


def _is_django(connection: Any) -> bool:
    return hasattr(connection, "in_atomic_block")


def _is_sqlite(connection: Any) -> bool:
    return hasattr(connection, "in_transaction") and hasattr(connection, "isolation_level")


def _sqlite_commits(connection: Any) -> bool:
    """Whether a single statement commits. ``autocommit`` is Python 3.12's; -1: as before."""
    autocommit = getattr(connection, "autocommit", -1)
    return autocommit is True or (autocommit == -1 and connection.isolation_level is None)


def _is_postgresql(connection: Any) -> bool:
    return hasattr(getattr(connection, "info", None), "transaction_status")


def _is_async(connection: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(connection, "commit", None))


def _kind(connection: Any) -> str:
    return f"{type(connection).__module__}.{type(connection).__qualname__}"
