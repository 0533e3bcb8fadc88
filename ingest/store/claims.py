"""Claims: how a delivery comes to one worker, and how its outcome comes back.

A claim is a conditional UPDATE, so one of any number of claimers wins; ``starts`` grows with each
and fences the outcome. Caps are counted under a lock, hence exact.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from ingest.events import (
    TERMINAL,
    AttemptOutcome,
    Claimed,
    DeliveryRef,
    DeliveryState,
    DestinationKind,
    Settled,
)
from ingest.store.database import Database
from ingest.store.delivery_rows import RUNNING, WAITING, postpone, ref_from
from ingest.store.dialect import insert, lock_names, now, now_ms
from ingest.store.event_rows import event_from, fitting, rows_by_id
from ingest.store.schema import AnyRow, attempts, deliveries, paused_destinations
from ingest.store.workers import hold_lease

#: How soon a delivery over its destination's cap is looked at again.
DEFER_MS = 1_000
MESSAGE_LENGTH = 2_000


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
    with db.write() as tx:
        return claim_in(tx, worker_id, ids, caps)


def claim_in(
    tx: Connection, worker_id: str, ids: Sequence[str], caps: Mapping[str, int]
) -> list[Claimed]:
    """Do the work of ``claim`` inside an open transaction."""
    if not hold_lease(tx, worker_id):
        return []
    candidates = _lock_candidates(tx, ids)
    allowed, deferred = _within_bytes(tx, *_within_caps(tx, candidates, caps))
    moment = now(tx)
    if deferred:
        later = update(deliveries).where(deliveries.c.id.in_([row.id for row in deferred]))
        tx.execute(later.values(wake_at=moment + DEFER_MS))
    if not allowed:
        return []
    started = tx.execute(
        update(deliveries)
        .where(deliveries.c.id.in_([row.id for row in allowed]), WAITING)
        .values(
            state=DeliveryState.RUNNING,
            wake_at=None,
            worker_id=worker_id,
            claimed_at=moment,
            starts=deliveries.c.starts + 1,
        )
        .returning(deliveries)
    ).all()
    events = rows_by_id(tx, [row.event_id for row in started])
    order = {id_: place for place, id_ in enumerate(ids)}
    started = sorted(started, key=lambda row: order[row.id])
    return [_claimed(row, events[row.event_id]) for row in started]


def record(
    db: Database, worker_id: str, settled: Sequence[Settled], capped: Mapping[str, int]
) -> Recorded:
    """Write how claimed deliveries ended and what is next for them.

    A row that is no longer this worker's, at that start, is fenced: counted, written nowhere.
    ``capped``: the caps, as for ``claim``; as many waiting deliveries of such a destination as
    slots became free are returned for publishing.
    """
    with db.write() as tx:
        return record_in(tx, worker_id, settled, capped)


def record_in(
    tx: Connection, worker_id: str, settled: Sequence[Settled], capped: Mapping[str, int]
) -> Recorded:
    """Do the work of ``record`` inside an open transaction."""
    held = _lock_held(tx, worker_id, {one.delivery_id: one.starts for one in settled})
    kept = [one for one in settled if one.delivery_id in held]
    if not kept:
        return Recorded(fenced=len(settled))
    tx.execute(insert(tx, attempts), [_attempt_row(one, worker_id) for one in kept])
    tx.execute(_SETTLE, [_settle_row(one) for one in kept])
    ended = Counter(held[one.delivery_id] for one in kept)
    slots = {name: count for name, count in ended.items() if name in capped}
    freed = _next_in_line(tx, slots, capped)
    return Recorded(len(kept), len(settled) - len(kept), freed)


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


def _lock_candidates(tx: Connection, ids: Sequence[str]) -> list[AnyRow]:
    """Lock what may be claimed, in the order of ``ids``.

    ``due_at`` is asked for because a second message about a delivery may come after its first one
    failed and its retry was set to a later time.
    """
    wanted = (
        select(deliveries.c.id, deliveries.c.destination, deliveries.c.event_id)
        .where(
            deliveries.c.id.in_(sorted(set(ids))),
            WAITING,
            deliveries.c.due_at <= now_ms(),
            deliveries.c.destination.not_in(select(paused_destinations.c.name)),
        )
        .order_by(deliveries.c.id)
        .with_for_update(skip_locked=True)
    )
    if len(ids) > 1:
        wanted = wanted.where(deliveries.c.crashes == 0)
    rows = {row.id: row for row in tx.execute(wanted)}
    return [rows[id_] for id_ in dict.fromkeys(ids) if id_ in rows]


def _within_caps(
    tx: Connection, candidates: Sequence[AnyRow], caps: Mapping[str, int]
) -> tuple[list[AnyRow], list[AnyRow]]:
    """Split the candidates into those with a free slot and those without."""
    names = sorted({row.destination for row in candidates} & caps.keys())
    lock_names(tx, names)
    free = {name: caps[name] - count for name, count in _running(tx, names).items()}
    allowed, deferred = [], []
    for row in candidates:
        if free.get(row.destination, 1) > 0:
            allowed.append(row)
            if row.destination in free:
                free[row.destination] -= 1
        else:
            deferred.append(row)
    return allowed, deferred


def _within_bytes(
    tx: Connection, allowed: list[AnyRow], deferred: list[AnyRow]
) -> tuple[list[AnyRow], list[AnyRow]]:
    """Put off those, too, whose bodies would not fit into memory with the others'."""
    fits = fitting(tx, [row.event_id for row in allowed])
    heavy = [row for row in allowed if row.event_id not in fits]
    return [row for row in allowed if row.event_id in fits], deferred + heavy


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
    return Claimed(
        delivery_id=row.id,
        event=event_from(event, row.generation),
        destination=row.destination,
        kind=DestinationKind(row.kind),
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


def _attempt_row(settled: Settled, worker_id: str) -> dict[str, Any]:
    result = settled.result
    return {
        "delivery_id": settled.delivery_id,
        "number": settled.starts,
        "started_at": settled.started_at,
        "finished_at": settled.finished_at,
        "outcome": result.outcome,
        "status": result.status,
        "code": _storable(result.code),
        "message": _storable(result.message),
        "worker_id": worker_id,
    }


def _storable(text: str) -> str:
    """Clean third parties' text: an outcome must never be lost over its wording."""
    readable = text.replace("\0", "").encode("utf-8", "replace").decode()
    return readable[:MESSAGE_LENGTH]


_SETTLE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery_id"))
    .values(
        state=bindparam("new_state"),
        due_at=func.coalesce(bindparam("new_wake_at"), deliveries.c.due_at),
        wake_at=bindparam("new_wake_at"),
        finished_at=bindparam("ended_at"),
        worker_id=None,
        claimed_at=None,
        attempts=deliveries.c.attempts + bindparam("reported"),
        crashes=deliveries.c.crashes + bindparam("crashed"),
        last_outcome=bindparam("outcome"),
        last_status=bindparam("status"),
        last_code=bindparam("code"),
        last_message=bindparam("message"),
        last_attempt_at=bindparam("attempted_at"),
    )
)


def _settle_row(settled: Settled) -> dict[str, Any]:
    result = settled.result
    crashed = result.outcome is AttemptOutcome.CRASHED
    return {
        "delivery_id": settled.delivery_id,
        "new_state": settled.state,
        "new_wake_at": settled.wake_at,
        "ended_at": settled.finished_at if settled.state in TERMINAL else None,
        "reported": int(not crashed),
        "crashed": int(crashed),
        "outcome": result.outcome,
        "status": result.status,
        "code": _storable(result.code),
        "message": _storable(result.message),
        "attempted_at": settled.started_at,
    }


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
