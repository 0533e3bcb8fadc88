"""What a running Hookkeeper still has to do, asked of its database from outside."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import Connection, text

#: Everything that was acknowledged and not yet handled, by the time at which it was received.
#: One SELECT a state: a partial index serves only a query that has its condition word for word.
_UNFINISHED = """
SELECT received_at FROM events WHERE state = 'stored'
UNION ALL
SELECT events.received_at FROM deliveries JOIN events ON events.id = deliveries.event_id
WHERE deliveries.state = 'waiting'
UNION ALL
SELECT events.received_at FROM deliveries JOIN events ON events.id = deliveries.event_id
WHERE deliveries.state = 'running'
"""
_STATES = (("events", "stored"), ("deliveries", "waiting"), ("deliveries", "running"))
_ANY = "SELECT * FROM (SELECT 1 FROM {table} WHERE state = '{state}' LIMIT 1) AS any_{state}"


class Backlog:
    """One database, read by a connection of its own; a context manager by ``reading``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, table: str = "events", where: str = "true") -> int:
        """Return how many rows of a table there are."""
        return self._one(f"SELECT count(*) FROM {table} WHERE {where}")

    def count_since(self, fence: str) -> int:
        """Return how many events are newer than a fence; cheap however many are older."""
        return self.count("events", f"id >= '{fence}'")

    def is_empty(self) -> bool:
        """Whether all is handled. One row of a kind is looked for: counting all costs a core."""
        kinds = (_ANY.format(table=table, state=state) for table, state in _STATES)
        return not self._one(f"SELECT count(*) FROM ({' UNION ALL '.join(kinds)}) AS one")

    def newest(self) -> str:
        """Return the id of the newest event; "" where there is none."""
        with self._connection.begin():
            newest = text("SELECT id FROM events ORDER BY id DESC LIMIT 1")
            return str(self._connection.execute(newest).scalar() or "")

    def lag_seconds(self) -> float:
        """Return the age of the oldest event that is not handled yet; 0 when all are."""
        oldest = self._one(
            f"SELECT coalesce(min(received_at), 0) FROM ({_UNFINISHED}) AS unfinished"
        )
        return time.time() - oldest / 1_000 if oldest else 0.0

    def size_bytes(self) -> int:
        """Return how much of the disk the database takes, without its log."""
        if self._connection.dialect.name == "postgresql":
            return self._one("SELECT pg_database_size(current_database())")
        return self._one("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")

    def event_ids(self) -> set[str]:
        """Return the ids of all events."""
        with self._connection.begin():
            return set(self._connection.execute(text("SELECT id FROM events")).scalars())

    def _one(self, statement: str) -> int:
        with self._connection.begin():  # a new snapshot each time
            return int(self._connection.execute(text(statement)).scalar_one())


def fence() -> str:
    """Return what is below the id of every event that is received from now on."""
    at = time.time_ns() // 1_000_000
    return f"{at >> 16:08x}-{at & 65_535:04x}-0000-0000-{0:012x}"


@contextmanager
def reading(database_url: str) -> Iterator[Backlog]:
    """Open a database by its URL, SQLite or PostgreSQL, for the length of the block."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            yield Backlog(connection)
    finally:
        engine.dispose()


def count(database_url: str, table: str = "events", where: str = "true") -> int:
    """Return how many rows of a table there are, by a connection of its own."""
    with reading(database_url) as backlog:
        return backlog.count(table, where)


def size_bytes(database_url: str) -> int:
    """Return how much of the disk a database takes."""
    with reading(database_url) as backlog:
        return backlog.size_bytes()
