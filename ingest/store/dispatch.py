"""Fan-out: an event's matched targets become delivery rows, and the event is dispatched.

A second run, here or in another process, finds the event dispatched and does nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from uuid_utils import uuid7

from ingest.events import DeliveryRef, DeliveryState, Event, EventState, Target
from ingest.store.accept import PUBLISH_GRACE_MS
from ingest.store.database import Database
from ingest.store.dialect import insert, now
from ingest.store.event_rows import event_from, fitting, select_events
from ingest.store.schema import deliveries, events

Plan = tuple[Event, tuple[Target, ...]]


def undispatched(db: Database, ids: Sequence[str]) -> list[Event]:
    """Read those of the events that still wait for their dispatch, oldest first.

    Of large ones only as many as fit into a batch: ask again for the others.
    """
    with db.read() as tx:
        stored = select(events.c.id).where(
            events.c.id.in_(ids), events.c.state == EventState.STORED
        )
        waiting = list(tx.execute(stored.order_by(events.c.id)).scalars())
        wanted = select_events(sorted(fitting(tx, waiting))).order_by(events.c.id)
        return [event_from(row) for row in tx.execute(wanted)]


def dispatch(db: Database, plans: Sequence[Plan]) -> list[DeliveryRef]:
    """Write the deliveries of each planned event; return those that are new, in plan order.

    An event without targets becomes ``unmatched``. One that was dispatched meanwhile, or replayed
    since its plan was made, is left alone: its ``wake_at`` brings it back where needed.
    """
    with db.write() as tx:
        return dispatch_in(tx, plans)


def dispatch_in(tx: Connection, plans: Sequence[Plan]) -> list[DeliveryRef]:
    """Do the work of ``dispatch`` inside an open transaction."""
    open_ = _lock_stored(tx, [event.id for event, _ in plans])
    plans = [plan for plan in plans if open_.get(plan[0].id) == plan[0].generation]
    if not plans:
        return []
    moment = now(tx)
    refs = _insert_deliveries(tx, plans, moment)
    tx.execute(
        update(events)
        .where(events.c.id == bindparam("event_id"))
        .values(
            state=bindparam("new_state"),
            wake_at=None,
            dispatched_at=moment,
            matched=bindparam("targets"),
            matched_generation=bindparam("of_generation"),
        ),
        [_dispatched(event, targets) for event, targets in plans],
    )
    return refs


def _lock_stored(tx: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Lock the events that are to be dispatched; return their generation by id."""
    wanted = (
        select(events.c.id, events.c.generation)
        .where(events.c.id.in_(sorted(set(ids))), events.c.state == EventState.STORED)
        .order_by(events.c.id)
        .with_for_update(skip_locked=True)
    )
    return {row.id: row.generation for row in tx.execute(wanted)}


def _insert_deliveries(tx: Connection, plans: Sequence[Plan], moment: int) -> list[DeliveryRef]:
    rows = [
        delivery_row(event.id, target, event.generation, moment)
        for event, targets in plans
        for target in targets
    ]
    if not rows:
        return []
    statement = insert(tx, deliveries).on_conflict_do_nothing(
        index_elements=["event_id", "destination", "generation"]
    )
    new = set(tx.execute(statement.returning(deliveries.c.id), rows).scalars())
    return [
        DeliveryRef(row["id"], row["destination"], row["kind"], row["queue"])
        for row in rows
        if row["id"] in new
    ]


def delivery_row(event_id: str, target: Target, generation: int, moment: int) -> dict[str, Any]:
    """Return the columns of a new delivery that waits to be published at once."""
    return {
        "id": str(uuid7()),
        "event_id": event_id,
        "destination": target.destination,
        "kind": target.kind,
        "queue": target.queue,
        "generation": generation,
        "state": DeliveryState.WAITING,
        "due_at": moment,
        "wake_at": moment + PUBLISH_GRACE_MS,
        "created_at": moment,
    }


def _dispatched(event: Event, targets: tuple[Target, ...]) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "new_state": EventState.DISPATCHED if targets else EventState.UNMATCHED,
        "targets": len(targets),
        "of_generation": event.generation,
    }
