"""Replays: an event, or a delivery, goes its way again under a new generation.

A generation is never used twice, so nothing that knows the earlier ones takes a replay for a
repetition: not the rows here, and no receiver, for it is in the webhook-id. One event, one
delivery and a page of a bulk replay go by the same statements. Events are locked before their
deliveries, as retention does it, and in the order of their ids.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, Connection, Integer, Text, bindparam, case, select, update
from uuid_utils import uuid7

from ingest.errors import HookkeeperError, NotFound
from ingest.events import TERMINAL, DeliveryRef, DeliveryState, DestinationKind, EventState, Target
from ingest.store.database import Database
from ingest.store.delivery_rows import ref_from
from ingest.store.dialect import now
from ingest.store.dispatch import NewDelivery, due_at, insert_deliveries
from ingest.store.given import among_given, found_by, given, given_ids, given_rows
from ingest.store.replay_keys import answered, remember
from ingest.store.schema import AnyRow, deliveries, events


def replay_event(db: Database, event_id: str, *, idempotency_key: str | None = None) -> int:
    """Return an event to ``stored``, so that it is routed again; return its new generation.

    The same key again changes nothing and returns what it returned the first time. Raises
    NotFound, and Conflict for a key that stands for another replay. What is still waiting of
    earlier generations goes on.
    """
    with db.write() as tx:
        if idempotency_key is not None and (first := answered(tx, idempotency_key, event_id)):
            return int(first)
        generation = route_again(tx, [event_id]).get(event_id)
        if generation is None:
            raise NotFound(f"there is no event {event_id} (any more)")
        if idempotency_key is not None:
            remember(tx, idempotency_key, event_id, str(generation))
    return generation


def replay_delivery(
    db: Database, delivery_id: str, *, idempotency_key: str | None = None
) -> DeliveryRef:
    """Deliver an event to one destination again, as a new delivery, which is due at once.

    The old one remembers the new one. A key is used as for events. Raises NotFound, Conflict, and
    HookkeeperError for a delivery that has not ended, or that was replayed before.
    """
    with db.write() as tx:
        if idempotency_key is not None and (first := answered(tx, idempotency_key, delivery_id)):
            return _made_then(tx, first)
        made = deliver_again(tx, [delivery_id])
        if not made:
            raise _reason(tx, delivery_id)
        (new,) = made
        if idempotency_key is not None:
            remember(tx, idempotency_key, delivery_id, new.id)
    return DeliveryRef(new.id, new.destination, new.kind, new.queue)


def route_again(tx: Connection, event_ids: Sequence[str]) -> dict[str, int]:
    """Return those of the events that there are to ``stored``; their new generations, by id."""
    rows = tx.execute(_ROUTE_AGAIN, {"moment": now(tx), **given_ids(event_ids)})
    return {row.id: row.generation for row in rows}


def deliver_to(tx: Connection, event_ids: Sequence[str], target: Target) -> list[NewDelivery]:
    """Deliver those of the events that there are to one destination, whatever the routes say."""
    moment = now(tx)
    taken = _take_generations(tx, dict.fromkeys(event_ids, 1))
    due = due_at(target, moment)
    rows = [_new(event_id, target, generation, due) for event_id, (generation,) in taken.items()]
    insert_deliveries(tx, rows, moment)
    return rows


def deliver_again(
    tx: Connection, delivery_ids: Sequence[str], target: Target | None = None
) -> list[NewDelivery]:
    """Repeat those of the deliveries that have ended and were not repeated yet.

    ``target``: to there, instead of where each went. They remember what replays them.
    """
    moment = now(tx)
    theirs = set(tx.execute(_EVENTS_OF, given_ids(delivery_ids)).scalars())
    tx.execute(_LOCK_EVENTS, given_ids(theirs)).all()
    olds = tx.execute(_LOCK_ENDED, given_ids(delivery_ids)).all()
    taken = _take_generations(tx, Counter(old.event_id for old in olds))
    generations = {event_id: iter(each) for event_id, each in taken.items()}
    news = [_repeating(old, target, next(generations[old.event_id]), moment) for old in olds]
    insert_deliveries(tx, news, moment)
    pairs = ((old.id, new.id) for old, new in zip(olds, news, strict=True))
    tx.execute(_LINK, given_rows(pairs))
    return news


def _take_generations(tx: Connection, counts: Mapping[str, int]) -> dict[str, list[int]]:
    """Take so many generations of each of the events, for deliveries that no dispatch makes.

    An event that waits for its own dispatch must not share one of them: it takes one more, too.
    """
    if not counts:
        return {}
    taken: dict[str, list[int]] = {}
    for row in tx.execute(_TAKE, given_rows(sorted(counts.items()))).all():
        last = row.generation - (row.state == EventState.STORED)
        taken[row.id] = list(range(last - counts[row.id] + 1, last + 1))
    return dict(sorted(taken.items()))


def _repeating(old: AnyRow, target: Target | None, generation: int, moment: int) -> NewDelivery:
    if target is None:
        target = Target(old.destination, DestinationKind(old.kind), old.queue)
    return _new(old.event_id, target, generation, due_at(target, moment))


def _new(event_id: str, target: Target, generation: int, due: int) -> NewDelivery:
    """Build a delivery that the scheduler publishes as soon as it is due: nobody else will."""
    name, kind, queue = target.destination, target.kind, target.queue
    return NewDelivery(str(uuid7()), event_id, name, kind, queue, generation, due, due)


def _made_then(tx: Connection, delivery_id: str) -> DeliveryRef:
    row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id} (any more)")
    return ref_from(row)


def _reason(tx: Connection, delivery_id: str) -> HookkeeperError:
    """Say why a delivery cannot be replayed."""
    row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()
    if row is None:
        return NotFound(f"there is no delivery {delivery_id} (any more)")
    if DeliveryState(row.state) not in TERMINAL:
        return HookkeeperError(f"delivery {delivery_id} is still {row.state}: it has not ended")
    return HookkeeperError(
        f"delivery {delivery_id} was replayed already, as {row.replayed_as}: look at that one"
    )


_MOMENT = bindparam("moment", type_=BigInteger)
_LOCK_EVENTS = (
    select(events.c.id)
    .where(among_given(events.c.id))
    .order_by(events.c.id)
    .with_for_update(of=events)
)
_ROUTE_AGAIN = (
    update(events)
    .where(events.c.id.in_(_LOCK_EVENTS))
    .values(
        state=EventState.STORED,
        generation=events.c.generation + 1,
        stored_at=_MOMENT,
        wake_at=_MOMENT,
    )
    .returning(events.c.id, events.c.generation)
)

_TAKING = given(id=Text(), count=Integer())
_TAKEN = (
    select(_TAKING.c.id, _TAKING.c["count"].label("taken"))
    .join_from(_TAKING, events, events.c.id == _TAKING.c.id)
    .where(found_by(events.c.id))
    .order_by(events.c.id)
    .with_for_update(of=events)
    .subquery("taken")
)
_TAKE = (
    update(events)
    .where(found_by(events.c.id), events.c.id == _TAKEN.c.id)
    .values(
        generation=events.c.generation
        + _TAKEN.c.taken
        + case((events.c.wake_at.is_not(None), 1), else_=0)
    )
    .returning(events.c.id, events.c.generation, events.c.state)
)

_EVENTS_OF = select(deliveries.c.event_id).where(among_given(deliveries.c.id))
#: What has ended has a time at which it did (schema).
_LOCK_ENDED = (
    select(
        deliveries.c.id,
        deliveries.c.event_id,
        deliveries.c.destination,
        deliveries.c.kind,
        deliveries.c.queue,
    )
    .where(
        among_given(deliveries.c.id),
        deliveries.c.finished_at.is_not(None),
        deliveries.c.replayed_as.is_(None),
    )
    .order_by(deliveries.c.id)
    .with_for_update(of=deliveries)
)
_LINKED = given(id=Text(), replayed_as=Text())
_LINK = (
    update(deliveries)
    .where(found_by(deliveries.c.id), deliveries.c.id == _LINKED.c.id)
    .values(replayed_as=_LINKED.c.replayed_as)
)
