"""Digests: one delivery speaks for all that wait for the same destination with it.

The one that is claimed carries the message. The others, its riders, stay waiting while it is
sent, so a process that dies holds none of them; what the message came to is then written for all
of them in the transaction that records it. One message at a time: the destination's cap is 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, insert, select, update

from ingest.events import TERMINAL, Claimed, Event, Settled
from ingest.store.database import Database
from ingest.store.delivery_rows import WAITING
from ingest.store.dialect import now
from ingest.store.event_rows import event_from, fitting, rows_by_id
from ingest.store.given import among_given, given_ids
from ingest.store.schema import attempts, deliveries

#: Deliveries that one message speaks for; what is beyond has a message of its own.
MOST_RIDERS = 10_000


@dataclass(frozen=True, slots=True)
class Riders:
    """Deliveries that a message is to speak for, and the events of the first few of them."""

    ids: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


def riders(db: Database, carrier: Claimed, shown: int) -> Riders:
    """Find who is due with a delivery, the oldest first, and read up to ``shown`` events.

    Only those that were tried as often: what becomes of the carrier is right for them, too. One
    that crashed before is not among them: it runs alone.
    """
    with db.read() as tx:
        wanted = (
            select(deliveries.c.id, deliveries.c.event_id)
            .where(
                WAITING,
                deliveries.c.destination == carrier.destination,
                deliveries.c.due_at <= now(tx),
                deliveries.c.crashes == 0,
                deliveries.c.attempts == carrier.attempts,
            )
            .order_by(deliveries.c.id)
            .limit(MOST_RIDERS)
        )
        found = tx.execute(wanted).all()
        first = fitting(tx, [row.event_id for row in found[:shown]])
        rows = rows_by_id(tx, first)
        return Riders(tuple(row.id for row in found), tuple(event_from(rows[id_]) for id_ in first))


def follow(tx: Connection, worker_id: str, carriers: Sequence[Settled]) -> None:
    """Write what became of carriers for their riders, those that still wait."""
    for carrier in carriers:
        if not carrier.result.riders:
            continue
        values = _values(carrier)
        ids = tx.execute(_FOLLOW, {**values, **given_ids(carrier.result.riders)}).scalars().all()
        tx.execute(_NOTE_ATTEMPTS, {**values, "worker": worker_id, **given_ids(ids)})


def _values(carrier: Settled) -> dict[str, Any]:
    result = carrier.result
    return {
        "to_state": carrier.state,
        "wakes_at": carrier.wake_at,
        "ended_at": carrier.finished_at if carrier.state in TERMINAL else None,
        "outcome": result.outcome,
        "status": result.status,
        "code": result.code,
        "message": f"In one message with {carrier.delivery_id}. {result.message}".strip(),
        "began_at": carrier.started_at,
        "finished": carrier.finished_at,
    }


_WAKES_AT = bindparam("wakes_at", type_=BigInteger)
_BEGAN_AT = bindparam("began_at", type_=BigInteger)
_FOLLOW = (
    update(deliveries)
    .where(
        deliveries.c.id.in_(
            select(deliveries.c.id)
            .where(among_given(deliveries.c.id), deliveries.c.wake_at.is_not(None))
            .order_by(deliveries.c.id)
            # Whoever holds one puts it off, which is quick; left out, it would be told again.
            .with_for_update()
        )
    )
    .values(
        state=bindparam("to_state", type_=Text),
        due_at=func.coalesce(_WAKES_AT, deliveries.c.due_at),
        wake_at=_WAKES_AT,
        finished_at=bindparam("ended_at", type_=BigInteger),
        starts=deliveries.c.starts + 1,
        attempts=deliveries.c.attempts + 1,
        last_outcome=bindparam("outcome", type_=Text),
        last_status=bindparam("status", type_=deliveries.c.last_status.type),
        last_code=bindparam("code", type_=Text),
        last_message=bindparam("message", type_=Text),
        last_attempt_at=_BEGAN_AT,
    )
    .returning(deliveries.c.id)
)
_ATTEMPT = {
    "delivery_id": deliveries.c.id,
    "number": deliveries.c.starts,
    "started_at": _BEGAN_AT,
    "finished_at": bindparam("finished", type_=BigInteger),
    "outcome": bindparam("outcome", type_=Text),
    "status": bindparam("status", type_=attempts.c.status.type),
    "code": bindparam("code", type_=Text),
    "message": bindparam("message", type_=Text),
    "worker_id": bindparam("worker", type_=Text),
}
_NOTE_ATTEMPTS = insert(attempts).from_select(
    [*_ATTEMPT], select(*_ATTEMPT.values()).where(among_given(deliveries.c.id))
)
