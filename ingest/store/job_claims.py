"""How a job comes to one worker, and how its outcome comes back: the rules of ``claims``.

A claim is a conditional UPDATE, ``starts`` grows with each and fences the outcome, caps are
counted under a lock. A job's end counts down what waits for it, in the same transaction.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from ingest.jobs.states import (
    FINAL,
    ClaimedJob,
    JobChange,
    JobOutcome,
    JobRef,
    JobResult,
    JobState,
    Order,
    Returned,
    SettledJob,
    Told,
)
from ingest.lifecycle import LOSSES_TO_QUARANTINE, settle_loss
from ingest.store.accept import PUBLISH_GRACE_MS
from ingest.store.claims import DEFER_MS
from ingest.store.database import Database
from ingest.store.dialect import lock_names, now
from ingest.store.job_ends import follow, lock_workflows
from ingest.store.job_rows import (
    IS_HELD,
    IS_READY,
    WAITS,
    once_due,
    postpone,
    progress_from,
    ref_from,
)
from ingest.store.job_schema import job_links, jobs
from ingest.store.schema import AnyRow, workers
from ingest.store.texts import storable
from ingest.store.workers import expired_in, hold_lease, leased, remove_idle

_LOST = JobResult(
    JobOutcome.CRASHED,
    "worker_lost",
    "The worker process died, or was cut off, before it reported how this ended.",
)
_GIVEN_BACK = JobResult(JobOutcome.PAUSED)


@dataclass(frozen=True, slots=True)
class RecordedJobs:
    """Outcomes written, outcomes fenced off, jobs that may start now, and every new state."""

    written: int = 0
    fenced: int = 0
    due: list[JobRef] = field(default_factory=list)
    changes: list[JobChange] = field(default_factory=list)


def claim(
    db: Database, worker_id: str, ids: Sequence[str], caps: Mapping[str, int]
) -> list[ClaimedJob]:
    """Start those of the jobs that are due and free, in the order given.

    ``caps``: the most that may run at once, by kind; what is over one is looked at again in a
    second. Where several are asked for, those that crashed before are left: these run alone. A
    worker that was declared dead gets none.
    """
    with db.read() as tx:
        found = tx.execute(select(jobs.c.id, jobs.c.kind).where(jobs.c.id.in_(ids), IS_READY))
        kinds = {row.id: row.kind for row in found}
    waiting = [id_ for id_ in dict.fromkeys(ids) if id_ in kinds]
    if not waiting:
        return []
    tolerated = 0 if len(ids) > 1 else LOSSES_TO_QUARANTINE
    with db.write() as tx:
        rows = _start(tx, worker_id, waiting, kinds, caps, tolerated)
    with db.read() as tx:  # what predecessors returned never changes, and may be large
        returned = {id_: _returned(tx, id_) for id_ in rows}
    return [_claimed(rows[id_], returned[id_]) for id_ in waiting if id_ in rows]


def record(
    db: Database, worker_id: str, settled: Sequence[SettledJob], capped: Mapping[str, int]
) -> RecordedJobs:
    """Write how claimed jobs ended; return what may start now because of that.

    A row that is no longer this worker's, at that start, is fenced: counted, written nowhere.
    """
    outcomes = {one.job_id: one for one in settled}
    with db.write() as tx:
        lock_workflows(tx, outcomes)
        held = _held(tx, and_(jobs.c.id.in_(list(outcomes)), jobs.c.worker_id == worker_id))
        mine = [row for row in held if row.starts == outcomes[row.id].starts]
        due, changes = _end(tx, mine, outcomes)
        due += _next_in_line(tx, Counter(row.kind for row in mine if row.kind in capped), capped)
    return RecordedJobs(len(mine), len(settled) - len(mine), due, changes)


def save_progress(db: Database, worker_id: str, told: Sequence[Told]) -> dict[str, Order]:
    """Write what running jobs tell, and return what somebody wants of each."""
    with db.write() as tx:
        for one in sorted(told, key=lambda each: each.job_id):
            progress = one.progress
            tx.execute(
                update(jobs)
                .where(*_started(worker_id, one.job_id, one.starts))
                .values(
                    state=JobState.PROGRESS,
                    progress_step=_text(progress.step),
                    progress_done=progress.done,
                    progress_total=progress.total,
                    progress_message=_text(progress.message),
                )
            )
    return orders(db, worker_id, {one.job_id: one.starts for one in told})


def orders(db: Database, worker_id: str, starts: Mapping[str, int]) -> dict[str, Order]:
    """Return what somebody wants of running jobs, which are given with their starts."""
    columns = (jobs.c.id, jobs.c.starts, jobs.c.cancel_requested_at, jobs.c.paused_at)
    mine = select(*columns).where(jobs.c.id.in_(list(starts)), jobs.c.worker_id == worker_id)
    with db.read() as tx:
        rows = {row.id: row for row in tx.execute(mine) if row.starts == starts[row.id]}
    return {id_: _order(rows.get(id_)) for id_ in starts}


def release(db: Database, worker_id: str, claims: Sequence[ClaimedJob]) -> RecordedJobs:
    """Give claims back that were never worked on; their start does not count."""
    starts = {one.id: one.starts for one in claims}
    return _give_back(db, worker_id, list(starts), starts)


def release_unconfirmed(db: Database, worker_id: str, ids: Sequence[str]) -> RecordedJobs:
    """Give back what a claim took whose commit has an unknown outcome: see ``claims``."""
    return _give_back(db, worker_id, ids, {})


def free_expired(db: Database, limit: int) -> RecordedJobs:
    """Take up to ``limit`` jobs from dead workers, and write that their starts crashed.

    The tenth is a failure, with the code ``quarantined`` (see ``LOSSES_TO_QUARANTINE``).
    """
    with db.read() as tx:
        dead = select(workers.c.id).where(~leased())
        forgotten = or_(jobs.c.worker_id.in_(dead), _orphaned())
        if tx.execute(select(jobs.c.id).where(IS_HELD, forgotten).limit(1)).first() is None:
            return RecordedJobs()
    with db.write() as tx:
        dead_ids = expired_in(tx)
        lost = or_(jobs.c.worker_id.in_(dead_ids), _orphaned())
        ids = list(tx.execute(select(jobs.c.id).where(IS_HELD, lost).limit(limit)).scalars())
        lock_workflows(tx, ids)
        rows = _held(tx, and_(jobs.c.id.in_(ids), lost))
        moment = now(tx)
        settled = {
            row.id: settle_loss(row.id, row.starts, row.crashes, _LOST, moment) for row in rows
        }
        due, changes = _end(tx, rows, settled, PUBLISH_GRACE_MS)
        remove_idle(tx, dead_ids)
        again = [ref_from(row) for row in _waiting_rows(tx, list(settled))]
    return RecordedJobs(len(rows), 0, [*again, *due], changes)


def _start(
    tx: Connection,
    worker_id: str,
    waiting: Sequence[str],
    kinds: Mapping[str, str],
    caps: Mapping[str, int],
    tolerated: int,
) -> dict[str, AnyRow]:
    """Start what is allowed, put off the rest; return the started rows by id."""
    if not hold_lease(tx, worker_id):
        return {}
    free = _free_slots(tx, {kinds[id_] for id_ in waiting} & caps.keys(), caps)
    allowed: list[str] = []
    deferred: list[str] = []
    for id_ in waiting:
        take = free.get(kinds[id_], 1) > 0
        if take and kinds[id_] in free:
            free[kinds[id_]] -= 1
        (allowed if take else deferred).append(id_)
    moment = now(tx)
    if deferred:
        later = update(jobs).where(jobs.c.id.in_(deferred), IS_READY)
        tx.execute(later.values(wake_at=once_due(moment + DEFER_MS)))
    rows = tx.execute(_started_rows(allowed, worker_id, moment, tolerated)).all()
    return {row.id: row for row in rows}


def _started_rows(ids: Sequence[str], worker_id: str, moment: int, tolerated: int) -> Any:
    claimable = (
        select(jobs.c.id)
        .where(jobs.c.id.in_(ids), IS_READY, jobs.c.due_at <= moment, jobs.c.crashes <= tolerated)
        .order_by(jobs.c.id)
        .with_for_update(skip_locked=True)
    )
    return (
        update(jobs)
        .where(jobs.c.id.in_(claimable))
        .values(
            state=JobState.STARTED,
            wake_at=None,
            worker_id=worker_id,
            claimed_at=moment,
            starts=jobs.c.starts + 1,
            started_at=func.coalesce(jobs.c.started_at, moment),
        )
        .returning(jobs)
    )


def _free_slots(tx: Connection, kinds: Collection[str], caps: Mapping[str, int]) -> dict[str, int]:
    """Count, until the transaction ends, how many more may run of each capped kind."""
    lock_names(tx, [f"jobs of {kind}" for kind in kinds])
    return {kind: caps[kind] - count for kind, count in _running(tx, kinds).items()}


def _running(tx: Connection, kinds: Collection[str]) -> dict[str, int]:
    if not kinds:
        return {}
    counted = select(jobs.c.kind, func.count().label("running"))
    found = tx.execute(counted.where(IS_HELD, jobs.c.kind.in_(kinds)).group_by(jobs.c.kind))
    return dict.fromkeys(sorted(kinds), 0) | {row.kind: row.running for row in found}


def _next_in_line(
    tx: Connection, slots: Mapping[str, int], caps: Mapping[str, int]
) -> list[JobRef]:
    """Pick, for slots that became free, jobs that are due or were put off for a slot."""
    moment = now(tx)
    refs: list[JobRef] = []
    for kind, running in _running(tx, slots.keys()).items():
        wanted = select(jobs.c.id).where(
            WAITS,
            jobs.c.kind == kind,
            jobs.c.wake_at <= moment + DEFER_MS,
            jobs.c.due_at <= moment,
        )
        room = max(0, min(slots[kind], caps[kind] - running))
        ids = tx.execute(wanted.order_by(jobs.c.wake_at).limit(room)).scalars()
        refs += postpone(tx, list(ids), moment, DEFER_MS)
    return refs


def _returned(tx: Connection, job_id: str) -> tuple[Returned, ...]:
    """Read what a job's predecessors returned, in the order of the workflow."""
    wanted = (
        select(jobs.c.result, jobs.c.result_ref)
        .join(job_links, job_links.c.before_id == jobs.c.id)
        .where(job_links.c.after_id == job_id, job_links.c.on_state == JobState.SUCCESS)
        .order_by(job_links.c.position)
    )
    return tuple(Returned(row.result, row.result_ref) for row in tx.execute(wanted))


def _claimed(row: AnyRow, returned: tuple[Returned, ...]) -> ClaimedJob:
    return ClaimedJob(
        id=row.id,
        kind=row.kind,
        queue=row.queue,
        arguments=row.arguments,
        results=returned,
        starts=row.starts,
        attempts=row.attempts,
        crashes=row.crashes,
        created_at=row.created_at,
        started_at=row.claimed_at,
        waited_ms=max(0, row.claimed_at - row.due_at),
        trace_id=row.trace_id,
        earlier=progress_from(row),
        fire_at=row.fire_at,
    )


def _held(tx: Connection, which: ColumnElement[bool]) -> list[AnyRow]:
    """Lock jobs that a worker holds."""
    wanted = select(jobs).where(IS_HELD, which).order_by(jobs.c.id)
    return list(tx.execute(wanted.with_for_update()).all())


def _waiting_rows(tx: Connection, ids: Sequence[str]) -> list[AnyRow]:
    wanted = select(jobs).where(jobs.c.id.in_(ids), IS_READY).order_by(jobs.c.id)
    return list(tx.execute(wanted).all())


def _end(
    tx: Connection, rows: Sequence[AnyRow], settled: Mapping[str, SettledJob], grace_ms: int = 0
) -> tuple[list[JobRef], list[JobChange]]:
    """Write the outcomes of locked rows and follow their links: what may start, all new states.

    ``grace_ms``: how long the caller has to publish what is pending again, before others do.
    """
    changes: list[JobChange] = []
    for row in rows:
        one = _unless_cancelled(row, settled[row.id])
        tx.execute(update(jobs).where(jobs.c.id == row.id).values(_values(row, one, grace_ms)))
        changes.append(JobChange(row.id, row.kind, row.trace_id, one.state, one.result.code))
    found = follow(tx, {one.id: one.state for one in changes if one.state in FINAL})
    return found.due, changes + found.revoked


def _unless_cancelled(row: AnyRow, settled: SettledJob) -> SettledJob:
    """Let a job that was to be cancelled not wait for another try."""
    if settled.state is not JobState.PENDING or row.cancel_requested_at is None:
        return settled
    result = JobResult(settled.result.outcome, "cancelled", "It was cancelled while it ran.")
    state = JobState.REVOKED
    return SettledJob(row.id, row.starts, state, None, result, settled.finished_at)


def _values(row: AnyRow, settled: SettledJob, grace_ms: int) -> dict[str, Any]:
    result, state = settled.result, settled.state
    crashed = result.outcome is JobOutcome.CRASHED
    given_back = result.outcome is JobOutcome.PAUSED
    # A start that came to a rest has shown that the job kills nobody: what happened to its worker
    # before was not its doing. One that was never begun has shown nothing.
    forgiven = row.crashes if given_back and result is not _GIVEN_BACK else 0
    values = {
        "state": state,
        "due_at": row.due_at if settled.wake_at is None else settled.wake_at,
        "wake_at": None if row.paused_at or settled.wake_at is None else settled.wake_at + grace_ms,
        "worker_id": None,
        "claimed_at": None,
        "starts": row.starts - given_back - forgiven,
        "attempts": row.attempts + (not crashed and not given_back),
        "crashes": row.crashes + crashed - forgiven,
        "finished_at": settled.finished_at if state in FINAL else None,
        "result": result.result,
        "result_ref": result.reference,
    }
    if not given_back or state in FINAL:
        values["error_code"] = None if state is JobState.SUCCESS else storable(result.code)
        values["error_message"] = None if state is JobState.SUCCESS else storable(result.message)
    return values


def _give_back(
    db: Database, worker_id: str, ids: Sequence[str], starts: Mapping[str, int]
) -> RecordedJobs:
    """Let held jobs wait again, as if never started; ``starts``: only if they are at these."""
    with db.write() as tx:
        lock_workflows(tx, ids)
        held = _held(tx, and_(jobs.c.id.in_(ids), jobs.c.worker_id == worker_id))
        rows = [row for row in held if starts.get(row.id, row.starts) == row.starts]
        moment = now(tx)
        pending = JobState.PENDING
        settled = {
            row.id: SettledJob(row.id, row.starts, pending, moment, _GIVEN_BACK, moment)
            for row in rows
        }
        due, changes = _end(tx, rows, settled)
        again = [ref_from(row) for row in _waiting_rows(tx, list(settled))]
    ended = [one for one in changes if one.state in FINAL]  # the others were never started
    return RecordedJobs(len(rows), 0, [*again, *due], ended)


def _started(worker_id: str, job_id: str, starts: int) -> tuple[ColumnElement[bool], ...]:
    return (jobs.c.id == job_id, jobs.c.worker_id == worker_id, jobs.c.starts == starts)


def _order(row: AnyRow | None) -> Order:
    if row is None:
        return Order.LOST
    if row.cancel_requested_at is not None:
        return Order.CANCEL
    return Order.GO_ON if row.paused_at is None else Order.PAUSE


def _orphaned() -> ColumnElement[bool]:
    """Whether a job's worker is not even registered: only by tampering."""
    return jobs.c.worker_id.not_in(select(workers.c.id))


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)
