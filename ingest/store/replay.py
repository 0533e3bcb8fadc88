"""Replays: an event, or one delivery, goes its way again under a new generation."""

from sqlalchemy import Connection, insert, select, update

from ingest.errors import HookkeeperError, NotFound
from ingest.events import TERMINAL, DeliveryRef, DeliveryState, DestinationKind, EventState, Target
from ingest.store.database import Database
from ingest.store.dialect import now
from ingest.store.dispatch import delivery_row
from ingest.store.schema import AnyRow, deliveries, events


def replay_event(db: Database, event_id: str) -> int:
    """Return an event to ``stored``, so that it is routed again; return its new generation.

    Raises NotFound. What is still waiting of earlier generations goes on.
    """
    with db.write() as tx:
        event = _locked_event(tx, event_id)
        moment = now(tx)
        tx.execute(
            update(events)
            .where(events.c.id == event_id)
            .values(
                state=EventState.STORED,
                generation=event.generation + 1,
                stored_at=moment,
                wake_at=moment,
            )
        )
    return int(event.generation) + 1


def replay_delivery(db: Database, delivery_id: str) -> DeliveryRef:
    """Deliver an event to one destination again, as a new delivery, which is due at once.

    The old one remembers the new one. Raises NotFound, and HookkeeperError for a delivery that
    has not ended, or that was replayed before.
    """
    with db.write() as tx:
        old = _replayable(tx, delivery_id)
        event = _locked_event(tx, old.event_id)
        target = Target(old.destination, DestinationKind(old.kind), old.queue)
        moment = now(tx)
        row = delivery_row(event.id, target, event.generation + 1, moment) | {"wake_at": moment}
        tx.execute(insert(deliveries), row)
        # An event that waits for its own dispatch must not share the generation taken here.
        taken = 2 if event.state == EventState.STORED else 1
        generation = event.generation + taken
        tx.execute(update(events).where(events.c.id == event.id).values(generation=generation))
        replayed = update(deliveries).where(deliveries.c.id == delivery_id)
        tx.execute(replayed.values(replayed_as=row["id"]))
    return DeliveryRef(row["id"], target.destination, target.kind, target.queue)


def _locked_event(tx: Connection, event_id: str) -> AnyRow:
    row = tx.execute(select(events).where(events.c.id == event_id).with_for_update()).first()
    if row is None:
        raise NotFound(f"there is no event {event_id} (any more)")
    return row


def _replayable(tx: Connection, delivery_id: str) -> AnyRow:
    wanted = select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()
    row = tx.execute(wanted).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id} (any more)")
    if DeliveryState(row.state) not in TERMINAL:
        raise HookkeeperError(f"delivery {delivery_id} is still {row.state}: it has not ended")
    if row.replayed_as is not None:
        raise HookkeeperError(
            f"delivery {delivery_id} was replayed already, as {row.replayed_as}: look at that one"
        )
    return row
