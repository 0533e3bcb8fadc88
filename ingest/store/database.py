"""The one door to the database: its engine, its transactions, and what its errors mean.

Every write on SQLite takes the file lock first and then BEGIN IMMEDIATE; a read is never upgraded.
PostgreSQL connections are made so that a dead peer, a held lock or a forgotten transaction costs
seconds, never a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL

from ingest.errors import StoreRefused
from ingest.store import compatibility, dialect
from ingest.store.database_errors import translate
from ingest.store.dialect import Clock, system_clock
from ingest.store.schema import REVISION
from ingest.store.write_lock import WriteLock

#: How long a writer waits for others: the receiver must answer within a second.
PATIENCE_SECONDS = 0.8

#: The oldest SQLite with RETURNING.
OLDEST_SQLITE = (3, 35, 0)

Dialect = Literal["sqlite", "postgresql"]


class Database:
    """An open database, shared by all threads of a process. Close it when done.

    Both kinds of transaction yield a SQLAlchemy connection that is inside one; it commits at the
    end of the block and rolls back on an exception. Raises StoreUnavailable where the database
    cannot serve now, StoreRefused where it must not be used, RowRejected for data it cannot hold.

    ``clock``: what tells SQLite the time; None: this machine's. PostgreSQL has its server's.
    """

    def __init__(
        self, url: URL, patience_seconds: float = PATIENCE_SECONDS, clock: Clock | None = None
    ) -> None:
        self.url = url
        self.dialect: Dialect = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        self._lock: WriteLock | None = None
        if self.dialect == "sqlite":
            file = Path(url.database or "")
            self._engine = _sqlite_engine(url, patience_seconds, clock or system_clock())
            self._lock = WriteLock(file.with_name(file.name + ".lock"), patience_seconds)
        else:
            self._engine = _postgresql_engine(url, patience_seconds)
        self._writing = self._engine.execution_options(hookkeeper_write=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None on PostgreSQL."""
        return Path(self.url.database or "") if self.dialect == "sqlite" else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may change rows; durable when the block ends without an error."""
        with (
            translate(self.dialect),
            self._lock.held() if self._lock else nullcontext(),
            self._writing.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads; it never waits for writers."""
        with translate(self.dialect), self._engine.connect() as connection, connection.begin():
            yield connection

    def now(self, tx: Connection) -> int:
        """The database's clock, in milliseconds."""
        return dialect.now(tx)

    def close(self) -> None:
        """Close every connection. The database can not be used afterwards."""
        self._engine.dispose()
        if self._lock:
            self._lock.close()


def open_database(url: str, *, check_schema: bool = True) -> Database:
    """Open a database that ``migrate`` has prepared.

    ``url``: ``sqlite:///path``, ``postgresql://...``. Raises StoreRefused for another kind, a
    database that is not durable, or a schema that is not ours or not current; StoreUnavailable
    where it cannot be reached.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        raise StoreRefused(f"{parsed.database} does not exist. Run `hookkeeper migrate`.")
    database = Database(parsed)
    try:
        with database.read() as tx:
            found = compatibility.revision(tx)
            fits = compatibility.fits(tx, found)
    except BaseException:
        database.close()
        raise
    if check_schema and not fits:
        database.close()
        raise StoreRefused(
            f"the schema of {parsed.render_as_string()} is at {found or 'no revision'}, this "
            f"version of Hookkeeper needs {REVISION}. Run `hookkeeper migrate` (or a newer "
            "Hookkeeper, if a newer one has migrated it). Nothing was changed."
        )
    return database


def parse_url(url: str) -> URL:
    """Read a database URL and choose our drivers. Raises StoreRefused for what we do not run on."""
    try:
        parsed = make_url(url)
    except sqlalchemy.exc.ArgumentError:
        raise StoreRefused(
            "the database URL is not one: write sqlite:///path or postgresql://..."
        ) from None
    if parsed.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+pysqlite")
        raise StoreRefused("a SQLite URL must name a file (sqlite:///path): memory is not durable")
    raise StoreRefused(f"{parsed.drivername}: Hookkeeper stores in SQLite or PostgreSQL only")


def _sqlite_engine(url: URL, patience_seconds: float, clock: Clock) -> Engine:
    engine = create_engine(
        url,
        execution_options={dialect.CLOCK: clock.now_ms},
        hide_parameters=True,  # an error's text reaches the logs, an event's body must not
        pool_size=4,
        max_overflow=-1,  # the file lock limits writers; a reader must not wait for a connection
        connect_args={"timeout": patience_seconds, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        with _closed_on_error(connection):
            connection.isolation_level = None  # we write BEGIN; the driver's own guesses wrong
            for name, function in clock._asdict().items():
                connection.create_function(name, 0, function)
            # Of a file that is made now. An event of 2 KB leaves no room for a second on a page of
            # 4 KB (measured with 8 KB: files 24 % smaller, 3 to 12 % more accepted).
            connection.execute("PRAGMA page_size=8192")
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            # What undoes a statement of many rows outgrows 64 KB, and then SQLite makes, fills and
            # removes a file for it in every transaction (measured: a third of the accept rate).
            connection.execute("PRAGMA temp_store=MEMORY")
            _check_sqlite(url, mode)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("hookkeeper_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _check_sqlite(url: URL, mode: str) -> None:
    import sqlite3  # noqa: PLC0415 - only where SQLite is in use

    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreRefused(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed")
    if mode != "wal":
        raise StoreRefused(
            f"{url.database}: SQLite's write-ahead log does not work here (a network file "
            "system?). Put the database on a local disk, or use PostgreSQL."
        )


def _postgresql_engine(url: URL, patience_seconds: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,  # an error's text reaches the logs, an event's body must not
        pool_size=8,
        max_overflow=24,
        pool_timeout=patience_seconds,
        connect_args={
            "connect_timeout": 3,
            "application_name": "hookkeeper",
            # A peer that vanished without a word is noticed after 5 s, writing or waiting.
            "tcp_user_timeout": 5_000,
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            # A stopped process of ours must not hold its rows for ever: 10 s, as its lease.
            "options": f"-c lock_timeout={patience_seconds * 1000:.0f}"
            " -c idle_in_transaction_session_timeout=10000",
        },
    )

    @event.listens_for(engine, "connect")
    def check(connection: Any, _record: object) -> None:
        with _closed_on_error(connection):
            _check_postgresql(connection)
            connection.rollback()

    return engine


def _check_postgresql(connection: Any) -> None:
    for setting in ("fsync", "synchronous_commit"):
        value = connection.execute(f"SHOW {setting}").fetchone()[0]
        if value == "off":
            raise StoreRefused(
                f"PostgreSQL runs with {setting} = off: a crash would lose events that were "
                f"acknowledged. Set {setting} = on for this database. Nothing was stored."
            )


@contextmanager
def _closed_on_error(connection: Any) -> Iterator[None]:
    """Close a raw connection that a listener refuses; SQLAlchemy only forgets it."""
    try:
        yield
    except BaseException:
        connection.close()
        raise
