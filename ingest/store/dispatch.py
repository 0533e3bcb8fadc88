"""Fan-out: an event's matched targets become delivery rows, and the event is dispatched.

A second run, here or in another process, finds the event dispatched and does nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Integer, Text, bindparam, select, true, update
from uuid_utils import uuid7

from ingest.events import DeliveryRef, DeliveryState, DestinationKind, Event, EventState, Target
from ingest.failpoints import reached
from ingest.store.accept import PUBLISH_GRACE_MS
from ingest.store.database import Database
from ingest.store.dialect import DIALECTS, insert_into, now
from ingest.store.event_rows import HEAD_COLUMNS, event_from, fitting, rows_by_id
from ingest.store.given import among_given, found_by, given, given_ids, given_rows
from ingest.store.schema import AnyRow, deliveries, events

Plan = tuple[Event, tuple[Target, ...]]


class NewDelivery(NamedTuple):
    """A delivery as it is written: it waits. ``wake_at``: when it is published at the latest."""

    id: str
    event_id: str
    destination: str
    kind: DestinationKind
    queue: str
    generation: int
    due_at: int
    wake_at: int


def undispatched(db: Database, ids: Sequence[str], *, whole: bool = True) -> list[Event]:
    """Read those of the events that still wait for their dispatch, oldest first.

    ``whole`` False: without headers, query, content type and body, for those who only route by
    source and type. Of large ones only as many as fit into a batch: ask again for the others.
    """
    with db.read() as tx:
        waiting = tx.execute(_UNDISPATCHED, given_ids(ids)).all()
        if not whole:
            return [_heading_of(row) for row in waiting]
        chosen = fitting(tx, [row.id for row in waiting])
        found = rows_by_id(tx, chosen)
        return [event_from(found[id_]) for id_ in chosen]


def dispatch(db: Database, plans: Sequence[Plan]) -> list[DeliveryRef]:
    """Write the deliveries of each planned event; return those that are new and due, in plan order.

    An event without targets becomes ``unmatched``. One that was dispatched meanwhile, or replayed
    since its plan was made, is left alone: its ``wake_at`` brings it back where needed.
    """
    with db.write() as tx:
        refs = dispatch_in(tx, plans)
        reached("dispatch.before_commit")
        return refs


def dispatch_in(tx: Connection, plans: Sequence[Plan]) -> list[DeliveryRef]:
    """Do the work of ``dispatch`` inside an open transaction."""
    if not plans:
        return []
    moment = now(tx)
    rows = given_rows(_dispatched(event, targets) for event, targets in plans)
    marked = set(tx.execute(_MARK, {"moment": moment, **rows}).scalars())
    return _insert_deliveries(tx, [plan for plan in plans if plan[0].id in marked], moment)


def insert_deliveries(tx: Connection, rows: Sequence[NewDelivery], moment: int) -> set[str]:
    """Write deliveries that wait; return the ids of those that were not there before."""
    if not rows:
        return set()
    given_values = {"moment": moment, **given_rows(map(tuple, rows))}
    return set(tx.execute(_INSERT[tx.dialect.name], given_values).scalars())


def due_at(target: Target, moment: int) -> int:
    """Say when a new delivery is due.

    A digest's waits for the end of its window, which is the same for all that came in it.
    """
    if not target.digest_ms:
        return moment
    return (moment // target.digest_ms + 1) * target.digest_ms


def _insert_deliveries(tx: Connection, plans: Sequence[Plan], moment: int) -> list[DeliveryRef]:
    rows = [
        _new_delivery(event, target, moment, due_at(target, moment))
        for event, targets in plans
        for target in targets
    ]
    new = insert_deliveries(tx, rows, moment)
    return [
        DeliveryRef(row.id, row.destination, row.kind, row.queue)
        for row in rows
        if row.id in new and row.due_at <= moment
    ]


def _new_delivery(event: Event, target: Target, moment: int, due: int) -> NewDelivery:
    wake_at = due if target.digest_ms else moment + PUBLISH_GRACE_MS
    name, kind, queue = target.destination, target.kind, target.queue
    return NewDelivery(str(uuid7()), event.id, name, kind, queue, event.generation, due, wake_at)


def _dispatched(event: Event, targets: tuple[Target, ...]) -> tuple[Any, ...]:
    state = EventState.DISPATCHED if targets else EventState.UNMATCHED
    return event.id, event.generation, state, len(targets)


def _heading_of(row: AnyRow) -> Event:
    return Event(
        id=row.id,
        source=row.source,
        type=row.type,
        provider_event_id=row.provider_event_id,
        received_at=row.received_at,
        headers=(),
        query="",
        content_type="",
        body=b"",
        trace_id=row.trace_id,
        generation=row.generation,
        type_signed=row.type_signed,
    )


#: A wake time says that an event is stored; to ask for the state would lead PostgreSQL to the index
#: of all that are, and through the whole backlog.
_STORED = events.c.wake_at.is_not(None)
_UNDISPATCHED = select(*HEAD_COLUMNS).where(among_given(events.c.id), _STORED).order_by(events.c.id)

_PLANNED = given(id=Text(), generation=Integer(), state=Text(), targets=Integer())
#: Locked in order, so that no two dispatchers can deadlock; what another one holds, it sees to.
_FREE = (
    select(*_PLANNED.c)
    .join_from(_PLANNED, events, events.c.id == _PLANNED.c.id)
    .where(
        found_by(events.c.id),
        _STORED,
        events.c.generation == _PLANNED.c.generation,
    )
    .order_by(events.c.id)
    .with_for_update(of=events, skip_locked=True)
    .subquery("free")
)
_MARK = (
    update(events)
    .where(found_by(events.c.id), events.c.id == _FREE.c.id)
    .values(
        state=_FREE.c.state,
        wake_at=None,
        dispatched_at=bindparam("moment"),
        matched=_FREE.c.targets,
        matched_generation=_FREE.c.generation,
    )
    .returning(events.c.id)
)

_NEW_DELIVERIES = given(
    id=Text(),
    event_id=Text(),
    destination=Text(),
    kind=Text(),
    queue=Text(),
    generation=Integer(),
    due_at=BigInteger(),
    wake_at=BigInteger(),
)
_SAME_FOR_ALL = {
    "state": bindparam("state", DeliveryState.WAITING),
    "created_at": bindparam("moment", type_=BigInteger),
}
#: With a condition, since SQLite takes ``SELECT ... ON CONFLICT`` for a join otherwise.
_NEW = select(*_NEW_DELIVERIES.c, *_SAME_FOR_ALL.values()).where(true())
_INSERT = {
    name: insert_into(name, deliveries)
    .from_select([*_NEW_DELIVERIES.c.keys(), *_SAME_FOR_ALL], _NEW)
    .on_conflict_do_nothing(index_elements=["event_id", "destination", "generation"])
    .returning(deliveries.c.id)
    for name in DIALECTS
}
