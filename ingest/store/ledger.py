"""The promise, checked in SQL: every event is accounted for (design.md, The promise, 3).

Each violation is one statement, so it sees one consistent state, and counts rows that must not
exist. The database's own constraints make most of them impossible to write; this finds them all
the same.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, Table, func, select

from ingest.events import TERMINAL, DeliveryState, EventState
from ingest.store.database import Database
from ingest.store.delivery_rows import DEAD, RUNNING, WAITING
from ingest.store.dialect import now
from ingest.store.schema import attempts, deliveries, events, workers
from ingest.store.wake import STORED
from ingest.store.workers import leased

#: How long a stored event may wait for its dispatch, and a dead worker's row to be freed.
GRACE_MS = 60_000

#: The queue name of events that wait for their dispatch; deliveries name their own.
DISPATCH_QUEUE = "dispatch"


@dataclass(frozen=True, slots=True)
class Depth:
    """How many rows of a queue are in one state.

    ``oldest_age_ms``: for how long the oldest has been due; 0 where none is, None for rows that
    are being worked on.
    """

    queue: str
    state: str
    count: int
    oldest_age_ms: int | None


def violations(db: Database, window_ms: int | None = None) -> dict[str, int]:
    """Count the rows that break the promise, by the name of what they break. All must be 0.

    ``window_ms``: look only at events and deliveries that came in that long ago, where the
    check would otherwise read whole tables.
    """
    with db.read() as tx:
        moment = now(tx)
        since = 0 if window_ms is None else moment - window_ms
        return {
            name: tx.execute(query).scalar_one() for name, query in _checks(moment, since).items()
        }


def depths(db: Database) -> list[Depth]:
    """Count what waits and what runs, by queue."""
    with db.read() as tx:
        moment = now(tx)
        return [*_stored(tx, moment), *_waiting(tx, moment), *_running(tx)]


def dead_letters(db: Database) -> dict[str, int]:
    """Count the deliveries that were given up and not replayed, by state."""
    counted = select(deliveries.c.state, func.count().label("total")).where(DEAD)
    with db.read() as tx:
        counts = {state.value: 0 for state in (DeliveryState.DEAD, DeliveryState.QUARANTINED)}
        found = tx.execute(counted.group_by(deliveries.c.state))
        return counts | {row.state: row.total for row in found}


def _checks(moment: int, since: int) -> dict[str, Select[int]]:
    worker = select(workers.c.id).where(workers.c.id == deliveries.c.worker_id, leased(GRACE_MS))
    attempt = select(attempts.c.number).where(attempts.c.delivery_id == deliveries.c.id)
    return {
        "event_undispatched": _count(events, STORED, events.c.stored_at < moment - GRACE_MS),
        "delivery_missing": _count(
            events,
            events.c.state != EventState.STORED,
            events.c.received_at >= since,
            events.c.matched != _written(),
        ),
        "waiting_without_wake": _count(deliveries, WAITING, deliveries.c.wake_at.is_(None)),
        "running_without_worker": _count(deliveries, RUNNING, ~worker.exists()),
        "ended_without_attempt": _count(
            deliveries,
            deliveries.c.id >= _first_id(since),
            deliveries.c.state.in_(sorted(TERMINAL)),
            ~attempt.exists(),
        ),
    }


def _count(table: Table, *conditions: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).select_from(table).where(*conditions)


def _written() -> ScalarSelect[int]:
    """Count the deliveries that an event's last dispatch wrote."""
    return (
        select(func.count())
        .where(
            deliveries.c.event_id == events.c.id,
            deliveries.c.generation == events.c.matched_generation,
        )
        .scalar_subquery()
    )


def _first_id(since: int) -> str:
    """Return where the ids of rows made since then begin: a UUIDv7 begins with its time."""
    digits = f"{since:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _stored(tx: Connection, moment: int) -> list[Depth]:
    wanted = select(func.count().label("total"), func.min(events.c.stored_at).label("oldest"))
    row = tx.execute(wanted.where(STORED)).one()
    if not row.total:
        return []
    return [Depth(DISPATCH_QUEUE, EventState.STORED, row.total, max(0, moment - row.oldest))]


def _waiting(tx: Connection, moment: int) -> list[Depth]:
    found = tx.execute(
        select(
            deliveries.c.queue,
            func.count().label("total"),
            func.min(deliveries.c.due_at).label("oldest"),
        )
        .where(WAITING)
        .group_by(deliveries.c.queue)
        .order_by(deliveries.c.queue)
    )
    return [
        Depth(row.queue, DeliveryState.WAITING, row.total, max(0, moment - row.oldest))
        for row in found
    ]


def _running(tx: Connection) -> list[Depth]:
    found = tx.execute(
        select(deliveries.c.queue, func.count().label("total"))
        .where(RUNNING)
        .group_by(deliveries.c.queue)
        .order_by(deliveries.c.queue)
    )
    return [Depth(row.queue, DeliveryState.RUNNING, row.total, None) for row in found]
