"""Exactly once in a handler's own database: the mark that it ran commits with its work.

    @on("shopify", "orders/paid")
    def book(event: Event) -> None:
        with engine.begin() as connection:
            if inbox.claim(connection, event):
                connection.execute(...)

Hookkeeper delivers at least once. A handler whose process died after its commit, and before its
outcome was recorded, runs again; then the row is there and ``claim`` says no. Where the transaction
was rolled back, so was the row, and the next try works. A replay has a generation of its own, so it
runs again: somebody asked for that.

Two tries at once (a process that was declared dead and lives): on PostgreSQL the second waits for
the first one's transaction; on SQLite it waits for the write lock. Make the claim the transaction's
first statement, or it may end as a conflict in place of a "no": an error, and a "no" the next time.

Connections: SQLAlchemy's (``Connection``, ``Session``, and the async ones), psycopg's, sqlite3's
and Django's, to PostgreSQL or SQLite 3.35. They stay the handler's: nothing is committed here.
"""

import time
from datetime import timedelta
from typing import Any

from ingest.events import Event
from ingest.inbox.connections import fetch, fetch_async, run

#: The table, for migrations: each of these to ``op.execute``, or all of them to ``RunSQL``.
#: ``claimed_at`` is in milliseconds since the epoch.
CREATE_TABLE = (
    """CREATE TABLE IF NOT EXISTS hookkeeper_inbox (
    event_id TEXT NOT NULL,
    handler TEXT NOT NULL,
    generation INTEGER NOT NULL,
    claimed_at BIGINT NOT NULL,
    PRIMARY KEY (event_id, handler, generation)
)""",
    "CREATE INDEX IF NOT EXISTS hookkeeper_inbox_claimed ON hookkeeper_inbox (claimed_at)",
)
DROP_TABLE = "DROP TABLE IF EXISTS hookkeeper_inbox"

#: How long Hookkeeper keeps events, unless it is told otherwise: nothing older is delivered.
KEPT = timedelta(days=90)
#: The most rows that one prune() deletes, so that no handler waits long for it.
PORTION = 10_000

# RETURNING, for what it says does not depend on how a driver counts rows, or on its pipelines.
_CLAIM = (
    "INSERT INTO hookkeeper_inbox (event_id, handler, generation, claimed_at) "
    "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING generation"
)
_PRUNE = (
    "DELETE FROM hookkeeper_inbox WHERE (event_id, handler, generation) IN ("
    "SELECT event_id, handler, generation FROM hookkeeper_inbox "
    "WHERE claimed_at < ? ORDER BY claimed_at LIMIT ?) RETURNING generation"
)


def claim(connection: Any, event: Event, *, handler: str | None = None) -> bool:
    """Mark the event as handled, in the connection's open transaction; whether it was not yet.

    True: do the work, on the same connection. False: it was done before; return. ``handler``: under
    which name, where it is not a handler's run by Hookkeeper (``event.handler``). The names are
    apart: two handlers of one event each get their True.

    Raises NotInTransaction where the mark would commit by itself, TypeError for a connection of
    another kind, ValueError without a name; nothing is marked then.
    """
    return bool(fetch(connection, _CLAIM, _mark(event, handler)))


async def claim_async(connection: Any, event: Event, *, handler: str | None = None) -> bool:
    """Do the same on SQLAlchemy's AsyncConnection and AsyncSession, psycopg's AsyncConnection."""
    return bool(await fetch_async(connection, _CLAIM, _mark(event, handler)))


def create_table(connection: Any) -> None:
    """Make the table, where it is missing. Commit afterwards, as after anything else."""
    for statement in CREATE_TABLE:
        run(connection, statement)


def prune(connection: Any, *, older_than: timedelta = KEPT, limit: int = PORTION) -> int:
    """Delete the oldest marks, at most ``limit``; return how many. Repeat while it is ``limit``.

    ``older_than`` must be more than any delivery takes from its first try to its last: three days
    of retries, and as long as you pause a destination.
    """
    before = _now_ms() - older_than // timedelta(milliseconds=1)
    return len(fetch(connection, _PRUNE, (before, limit)))


def _mark(event: Event, handler: str | None) -> tuple[str, str, int, int]:
    name = handler or event.handler
    if not name:
        raise ValueError(
            "this event comes from no handler that Hookkeeper runs, so the inbox has no name for "
            'what handles it: claim(connection, event, handler="a name of its own")'
        )
    return event.id, name, event.generation, _now_ms()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


__all__ = ["CREATE_TABLE", "DROP_TABLE", "claim", "claim_async", "create_table", "prune"]
