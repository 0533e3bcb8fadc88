"""Claims: how a delivery comes to one worker, and how its outcome comes back.

A claim is a conditional UPDATE, so one of any number of claimers wins; ``starts`` grows with each
and fences the outcome. Caps are counted under a lock, hence exact. A batch is one statement a
step, and bodies are read before the write: others wait for the lock that it holds.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Text,
    bindparam,
    func,
    insert,
    select,
    update,
)

from ingest.events import (
    TERMINAL,
    AttemptOutcome,
    Claimed,
    DeliveryRef,
    DeliveryState,
    DestinationKind,
    Settled,
)
from ingest.failpoints import reached
from ingest.lifecycle import LOSSES_TO_QUARANTINE
from ingest.store.database import Database
from ingest.store.delivery_rows import RUNNING, WAITING, postpone, ref_from
from ingest.store.dialect import lock_names, now
from ingest.store.digests import follow
from ingest.store.event_rows import event_from, fitting, rows_by_id
from ingest.store.given import among_given, found_by, given, given_ids, given_rows
from ingest.store.schema import AnyRow, attempts, deliveries, paused_destinations
from ingest.store.texts import storable
from ingest.store.workers import hold_lease

#: How soon a delivery over its destination's cap is looked at again.
DEFER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """Outcomes written, outcomes fenced off, and deliveries that may now have a free slot."""

    written: int = 0
    fenced: int = 0
    freed: list[DeliveryRef] = field(default_factory=list)


def claim(
    db: Database, worker_id: str, ids: Sequence[str], caps: Mapping[str, int]
) -> list[Claimed]:
    """Start those of the deliveries that are due and free, in the order given.

    ``caps``: the most that may run at once, by destination. Left waiting are deliveries of paused
    destinations, those over a cap or too large to be taken with the others (looked at again in a
    second), and, where several are asked for, those that crashed before: these run alone. A
    worker that was declared dead gets none.
    """
    with db.read() as tx:
        waiting = _waiting(tx, ids)
        bodies = rows_by_id(tx, fitting(tx, [row.event_id for row in waiting]))
    if not waiting:
        return []
    crashes = 0 if len(ids) > 1 else LOSSES_TO_QUARANTINE
    with db.write() as tx:
        started = _start(tx, worker_id, waiting, bodies.keys(), caps, crashes)
    return [_claimed(started[row.id], bodies[row.event_id]) for row in waiting if row.id in started]


def record(
    db: Database, worker_id: str, settled: Sequence[Settled], capped: Mapping[str, int]
) -> Recorded:
    """Write how claimed deliveries ended and what is next for them.

    A row that is no longer this worker's, at that start, is fenced: counted, written nowhere.
    ``capped``: the caps, as for ``claim``; as many waiting deliveries of such a destination as
    slots became free are returned for publishing.
    """
    if not settled:
        return Recorded()
    outcomes = {one.delivery_id: _outcome(one) for one in settled}
    worker, rows = {"worker": worker_id}, given_rows(outcomes.values())
    with db.write() as tx:
        ended = {row.id: row.destination for row in tx.execute(_SETTLE, worker | rows).all()}
        if len(ended) < len(outcomes):
            rows = given_rows(outcomes[id_] for id_ in ended)
        tx.execute(_NOTE_ATTEMPTS, worker | rows)
        follow(tx, worker_id, [one for one in settled if one.delivery_id in ended])
        slots = Counter(name for name in ended.values() if name in capped)
        freed = _next_in_line(tx, slots, capped)
        reached("record.before_commit")
    return Recorded(len(ended), len(settled) - len(ended), freed)


def release(db: Database, worker_id: str, claims: Sequence[Claimed]) -> list[DeliveryRef]:
    """Give claims back that were never worked on; their start does not count.

    Returns the deliveries that wait again now, for publishing.
    """
    starts = {one.delivery_id: one.starts for one in claims}
    with db.write() as tx:
        return _give_back(tx, list(_lock_held(tx, worker_id, starts)))


def release_unconfirmed(db: Database, worker_id: str, ids: Sequence[str]) -> list[DeliveryRef]:
    """Give back what a claim of these deliveries took, if its commit happened after all.

    For a claim that raised StoreUnavailable: its connection may have broken after the commit, and
    then the deliveries are running for a worker that does not know it.
    """
    with db.write() as tx:
        taken = select(deliveries.c.id).where(
            deliveries.c.id.in_(sorted(ids)), RUNNING, deliveries.c.worker_id == worker_id
        )
        taken = taken.order_by(deliveries.c.id).with_for_update()
        return _give_back(tx, list(tx.execute(taken).scalars()))


def _give_back(tx: Connection, ids: Sequence[str]) -> list[DeliveryRef]:
    """Let running deliveries that the caller locked wait again, as if never started."""
    rows = tx.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids))
        .values(
            state=DeliveryState.WAITING,
            wake_at=now(tx),
            worker_id=None,
            claimed_at=None,
            starts=deliveries.c.starts - 1,
        )
        .returning(deliveries)
    ).all()
    return [ref_from(row) for row in rows]


def _waiting(tx: Connection, ids: Sequence[str]) -> list[AnyRow]:
    """Read which deliveries wait, in the order of ``ids``."""
    rows = {row.id: row for row in tx.execute(_WAITING, given_ids(ids)).all()}
    return [rows[id_] for id_ in dict.fromkeys(ids) if id_ in rows]


def _start(
    tx: Connection,
    worker_id: str,
    waiting: Sequence[AnyRow],
    fits: Collection[str],
    caps: Mapping[str, int],
    crashes: int,
) -> dict[str, AnyRow]:
    """Make what is allowed running, put off the rest; return the running rows by id.

    ``fits``: the events whose bodies were read. ``crashes``: the most that are tolerated.
    """
    if not hold_lease(tx, worker_id):
        return {}
    free = _free_slots(tx, {row.destination for row in waiting} & caps.keys(), caps)
    allowed: list[str] = []
    deferred: list[str] = []
    for row in waiting:
        take = free.get(row.destination, 1) > 0 and row.event_id in fits
        if take and row.destination in free:
            free[row.destination] -= 1
        (allowed if take else deferred).append(row.id)
    moment = now(tx)
    if deferred:
        tx.execute(_DEFER, {"later": moment + DEFER_MS, **given_ids(deferred)})
    values = {"worker": worker_id, "moment": moment, "tolerated": crashes}
    return {row.id: row for row in tx.execute(_START, values | given_ids(allowed)).all()}


def _free_slots(tx: Connection, names: Collection[str], caps: Mapping[str, int]) -> dict[str, int]:
    """Count, until the transaction ends, how many more may run of each capped destination."""
    lock_names(tx, names)
    return {name: caps[name] - count for name, count in _running(tx, sorted(names)).items()}


def _running(tx: Connection, names: Sequence[str]) -> dict[str, int]:
    """Count what runs now, by destination."""
    if not names:
        return {}
    counts = dict.fromkeys(names, 0)
    found = tx.execute(
        select(deliveries.c.destination, func.count().label("running"))
        .where(RUNNING, deliveries.c.destination.in_(names))
        .group_by(deliveries.c.destination)
    )
    return counts | {row.destination: row.running for row in found}


def _claimed(row: AnyRow, event: AnyRow) -> Claimed:
    kind = DestinationKind(row.kind)
    handler = row.destination if kind is DestinationKind.PYTHON else ""
    return Claimed(
        delivery_id=row.id,
        event=event_from(event, row.generation, handler),
        destination=row.destination,
        kind=kind,
        queue=row.queue,
        generation=row.generation,
        starts=row.starts,
        attempts=row.attempts,
        crashes=row.crashes,
        created_at=row.created_at,
        started_at=row.claimed_at,
        waited_ms=max(0, row.claimed_at - row.due_at),
    )


def _lock_held(tx: Connection, worker_id: str, starts: Mapping[str, int]) -> dict[str, str]:
    """Lock the claims that are still this worker's; return their destination by delivery id."""
    wanted = (
        select(deliveries.c.id, deliveries.c.destination, deliveries.c.starts)
        .where(deliveries.c.id.in_(sorted(starts)), RUNNING, deliveries.c.worker_id == worker_id)
        .order_by(deliveries.c.id)
        .with_for_update()
    )
    rows = tx.execute(wanted)
    return {row.id: row.destination for row in rows if row.starts == starts[row.id]}


def _outcome(settled: Settled) -> tuple[Any, ...]:
    """Spell an outcome as a row of ``_OUTCOMES``."""
    result = settled.result
    crashed = result.outcome is AttemptOutcome.CRASHED
    return (
        settled.delivery_id,
        settled.starts,
        settled.state,
        settled.wake_at,
        settled.finished_at if settled.state in TERMINAL else None,
        int(not crashed),
        int(crashed),
        result.outcome,
        result.status,
        storable(result.code),
        storable(result.message),
        settled.started_at,
        settled.finished_at,
    )


def _next_in_line(
    tx: Connection, slots: Mapping[str, int], caps: Mapping[str, int]
) -> list[DeliveryRef]:
    """Pick, for slots that became free, deliveries that are due or were put off for a slot."""
    moment = now(tx)
    refs: list[DeliveryRef] = []
    for name, running in sorted(_running(tx, sorted(slots)).items()):
        wanted = (
            select(deliveries.c.id)
            .where(
                WAITING,
                deliveries.c.destination == name,
                deliveries.c.wake_at <= moment + DEFER_MS,
                deliveries.c.due_at <= moment,
                deliveries.c.destination.not_in(select(paused_destinations.c.name)),
            )
            .order_by(deliveries.c.wake_at)
            .limit(max(0, min(slots[name], caps[name] - running)))
        )
        refs += postpone(tx, list(tx.execute(wanted).scalars()), moment, DEFER_MS)
    return refs


_IS_GIVEN = among_given(deliveries.c.id)
#: A wake time says that a delivery waits, a worker that it runs: to ask for the state itself would
#: lead PostgreSQL to the index of all that wait (measured: 210 us a delivery instead of 50).
_WAITS = deliveries.c.wake_at.is_not(None)

_WAITING = select(deliveries.c.id, deliveries.c.destination, deliveries.c.event_id).where(
    _IS_GIVEN, _WAITS
)

_DEFER = update(deliveries).where(
    deliveries.c.id.in_(
        select(deliveries.c.id)
        .where(_IS_GIVEN, _WAITS)
        .order_by(deliveries.c.id)
        .with_for_update(skip_locked=True)
    )
)
_DEFER = _DEFER.values(wake_at=bindparam("later", type_=BigInteger))

#: ``due_at`` is asked for because a second message about a delivery may come after its first one
#: failed and its retry was set to a later time.
_CLAIMABLE = (
    select(deliveries.c.id)
    .where(
        _IS_GIVEN,
        _WAITS,
        deliveries.c.due_at <= bindparam("moment", type_=BigInteger),
        deliveries.c.crashes <= bindparam("tolerated", type_=Integer),
        deliveries.c.destination.not_in(select(paused_destinations.c.name)),
    )
    .order_by(deliveries.c.id)
    .with_for_update(skip_locked=True)
)
_CLAIMED = (
    *("id", "event_id", "destination", "kind", "queue", "generation", "starts", "attempts"),
    *("crashes", "created_at", "claimed_at", "due_at"),
)
_START = (
    update(deliveries)
    .where(deliveries.c.id.in_(_CLAIMABLE))
    .values(
        state=DeliveryState.RUNNING,
        wake_at=None,
        worker_id=bindparam("worker", type_=Text),
        claimed_at=bindparam("moment", type_=BigInteger),
        starts=deliveries.c.starts + 1,
    )
    .returning(*(deliveries.c[name] for name in _CLAIMED))
)

_OUTCOMES = given(
    id=Text(),
    starts=Integer(),
    state=Text(),
    wake_at=BigInteger(),
    ended_at=BigInteger(),
    reported=Integer(),
    crashed=Integer(),
    outcome=Text(),
    status=Integer(),
    code=Text(),
    message=Text(),
    started_at=BigInteger(),
    finished_at=BigInteger(),
)
_SETTLE = (
    update(deliveries)
    .where(
        found_by(deliveries.c.id),
        deliveries.c.id == _OUTCOMES.c.id,
        deliveries.c.worker_id == bindparam("worker", type_=Text),
        deliveries.c.starts == _OUTCOMES.c.starts,
    )
    .values(
        state=_OUTCOMES.c.state,
        due_at=func.coalesce(_OUTCOMES.c.wake_at, deliveries.c.due_at),
        wake_at=_OUTCOMES.c.wake_at,
        finished_at=_OUTCOMES.c.ended_at,
        worker_id=None,
        claimed_at=None,
        attempts=deliveries.c.attempts + _OUTCOMES.c.reported,
        crashes=deliveries.c.crashes + _OUTCOMES.c.crashed,
        last_outcome=_OUTCOMES.c.outcome,
        last_status=_OUTCOMES.c.status,
        last_code=_OUTCOMES.c.code,
        last_message=_OUTCOMES.c.message,
        last_attempt_at=_OUTCOMES.c.started_at,
    )
    .returning(deliveries.c.id, deliveries.c.destination)
)
_ATTEMPTS = {
    "delivery_id": _OUTCOMES.c.id,
    "number": _OUTCOMES.c.starts,
    "started_at": _OUTCOMES.c.started_at,
    "finished_at": _OUTCOMES.c.finished_at,
    "outcome": _OUTCOMES.c.outcome,
    "status": _OUTCOMES.c.status,
    "code": _OUTCOMES.c.code,
    "message": _OUTCOMES.c.message,
    "worker_id": bindparam("worker", type_=Text),
}
_NOTE_ATTEMPTS = insert(attempts).from_select([*_ATTEMPTS], select(*_ATTEMPTS.values()))
