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


class Backlog:
    """One database, read by a connection of its own; a context manager by ``reading``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, table: str = "events", where: str = "true") -> int:
        """Return how many rows of a table there are."""
        return self._one(f"SELECT count(*) FROM {table} WHERE {where}")

    def unfinished(self) -> int:
        """Return how many events and deliveries are not handled yet."""
        return self._one(f"SELECT count(*) FROM ({_UNFINISHED}) AS unfinished")

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
