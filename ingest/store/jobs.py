"""Jobs as people and programs see them: made, looked at, cancelled, paused.

What workers do with them is in ``job_claims``, what their ends mean for others in ``job_ends``.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, case, func, select, update
from sqlalchemy import insert as insert_rows

from ingest.errors import Conflict
from ingest.jobs.states import (
    FINAL,
    HELD,
    JobChange,
    JobRef,
    JobState,
    Link,
    Made,
    NewJob,
    Plan,
)
from ingest.store.accept import PUBLISH_GRACE_MS
from ingest.store.database import Database
from ingest.store.dialect import insert, lock_names, now
from ingest.store.job_ends import follow, lock_workflows, revoked_values
from ingest.store.job_rows import JobRow, job_row, once_due
from ingest.store.job_schema import job_links, jobs
from ingest.store.schema import AnyRow

_UNMARKED = {"idempotency_key": None, "schedule": None, "fire_at": None}


def create(
    db: Database,
    plan: Plan,
    *,
    trace_id: str,
    idempotency_key: str | None = None,
    schedule: str | None = None,
    fire_at: int | None = None,
) -> Made:
    """Make the jobs of a plan, all or none.

    The first of them bears the key, and the schedule with the time (ms) it was due. Where the same
    key, or the same schedule and time, was there before, the ids of those jobs are returned. Raises
    Conflict for a key that stands for other jobs, whatever their kind.
    """
    marks = {"idempotency_key": idempotency_key, "schedule": schedule, "fire_at": fire_at}
    with db.write() as tx:
        return create_in(tx, plan, trace_id, marks)


def create_in(tx: Connection, plan: Plan, trace_id: str, marks: Mapping[str, Any]) -> Made:
    """Do the work of ``create`` inside an open transaction; ``marks``: columns of the first job."""
    first, *others = plan.jobs
    shared = _shared(now(tx), trace_id, first.id if others else None)
    row = _awake(_row(first, _digest(plan)) | shared | {**_UNMARKED, **marks})
    if row["idempotency_key"] is not None and (found := _bearer(tx, row["idempotency_key"])):
        _check_same(found, row)
        return _again(tx, found)
    new = insert(tx, jobs).values(row).on_conflict_do_nothing().returning(jobs.c.id)
    if tx.execute(new).first() is None:
        same = [jobs.c[name] == row[name] for name in ("schedule", "fire_at")]
        return _again(tx, tx.execute(select(jobs).where(*same)).one())
    if others:
        rows = [_row(one, _digest(Plan((one,)))) | shared for one in others]
        tx.execute(insert_rows(jobs), [_awake(one) for one in rows])
    if plan.links:
        tx.execute(insert_rows(job_links), [_link_row(link) for link in plan.links])
    due = [JobRef(one.id, one.kind, one.queue) for one in plan.jobs if one.remaining == 0]
    return Made([one.id for one in plan.jobs], due)


def get_job(db: Database, job_id: str) -> JobRow | None:
    """Return one job; None where there is none of that id."""
    with db.read() as tx:
        row = tx.execute(select(jobs).where(jobs.c.id == job_id)).first()
    return None if row is None else job_row(row)


def list_jobs(
    db: Database,
    *,
    state: JobState | None = None,
    kind: str | None = None,
    workflow_id: str | None = None,
    limit: int = 50,
    before_id: str | None = None,
) -> list[JobRow]:
    """Return jobs, the newest first; ``before_id`` is the last one of the page before."""
    wanted = select(jobs)
    for column, value in ((jobs.c.kind, kind), (jobs.c.workflow_id, workflow_id)):
        if value is not None:
            wanted = wanted.where(column == value)
    if state is not None:
        wanted = wanted.where(jobs.c.state == state)
    if before_id is not None:
        wanted = wanted.where(jobs.c.id < before_id)
    with db.read() as tx:
        rows = tx.execute(wanted.order_by(jobs.c.id.desc()).limit(limit))
        return [job_row(row) for row in rows]


def cancel(db: Database, job_id: str) -> list[JobChange] | None:
    """Revoke a job that waits, and what waits for it; tell one that runs.

    Returns the ends that were written, for the caller to tell of (``ingest.jobs.ends``): none where
    the job runs, or had ended before. None: no such job.
    """
    with db.write() as tx:
        row = _locked(tx, job_id)
        if row is None or row.state in FINAL:
            return None if row is None else []
        moment = now(tx)
        this = update(jobs).where(jobs.c.id == job_id)
        if row.state in HELD:
            asked = func.coalesce(jobs.c.cancel_requested_at, moment)
            tx.execute(this.values(cancel_requested_at=asked))
            return []
        message = "It was cancelled while it waited."
        tx.execute(this.values(revoked_values("cancelled", message, moment)))
        revoked = JobChange(job_id, row.kind, row.trace_id, JobState.REVOKED, "cancelled")
        return [revoked, *follow(tx, {job_id: JobState.REVOKED}).revoked]


def pause(db: Database, job_id: str) -> JobState | None:
    """Let a job wait until it is resumed; one that runs is told.

    Returns its state then, which for a job that has ended is what it was; None: no such job.
    """
    with db.write() as tx:
        row = _locked(tx, job_id)
        if row is not None and row.state not in FINAL and row.paused_at is None:
            paused = {"paused_at": now(tx), "wake_at": None}
            tx.execute(update(jobs).where(jobs.c.id == job_id).values(paused))
        return None if row is None else JobState(row.state)


def resume(db: Database, job_id: str) -> JobState | None:
    """Let a paused job go on: it is published once the scheduler looks. Returns as ``pause``."""
    with db.write() as tx:
        row = _locked(tx, job_id)
        if row is not None and row.paused_at is not None and row.state not in FINAL:
            ready = (jobs.c.state == JobState.PENDING) & (jobs.c.remaining == 0)
            wake_at = case((ready, once_due(now(tx))))
            resumed = {"paused_at": None, "wake_at": wake_at}
            tx.execute(update(jobs).where(jobs.c.id == job_id).values(resumed))
        return None if row is None else JobState(row.state)


def _locked(tx: Connection, job_id: str) -> AnyRow | None:
    lock_workflows(tx, [job_id])
    return tx.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).first()


def _shared(moment: int, trace_id: str, workflow_id: str | None) -> dict[str, Any]:
    """Spell what all jobs of a plan have in common."""
    times = {"created_at": moment, "due_at": moment, "wake_at": moment + PUBLISH_GRACE_MS}
    return {"state": JobState.PENDING, "trace_id": trace_id, "workflow_id": workflow_id, **times}


def _row(new: NewJob, digest: bytes) -> dict[str, Any]:
    return {
        "id": new.id,
        "kind": new.kind,
        "queue": new.queue,
        "arguments": new.arguments,
        "arguments_sha256": digest,
        "remaining": new.remaining,
    }


def _awake(row: dict[str, Any]) -> dict[str, Any]:
    """Let a job that waits for others have no wake time."""
    return row | {"wake_at": None} if row["remaining"] else row


def _link_row(link: Link) -> dict[str, Any]:
    return {
        "before_id": link.before,
        "after_id": link.after,
        "on_state": link.on,
        "position": link.position,
    }


def _digest(plan: Plan) -> bytes:
    """Tell two plans apart by what they do: their ids are new each time."""
    place = {one.id: number for number, one in enumerate(plan.jobs)}
    said = [
        [[one.kind, one.arguments] for one in plan.jobs],
        [[place[link.before], place[link.after], link.on] for link in plan.links],
    ]
    return hashlib.sha256(orjson.dumps(said)).digest()


def _bearer(tx: Connection, key: str) -> AnyRow | None:
    """Find the job that bears a key; until the transaction ends, nobody else gives it to one.

    Keys are indexed behind kinds, so each kind that there is has a look of its own; and those are
    found by jumping from one to the next, where DISTINCT would read the index of all jobs.
    """
    lock_names(tx, [f"idempotency key {key}"])
    kinds = select(func.min(jobs.c.kind).label("kind")).cte("kinds", recursive=True)
    following = select(func.min(jobs.c.kind)).where(jobs.c.kind > kinds.c.kind).scalar_subquery()
    kinds = kinds.union_all(select(following).where(kinds.c.kind.is_not(None)))
    bearer = select(jobs).join(kinds, jobs.c.kind == kinds.c.kind)
    return tx.execute(bearer.where(jobs.c.idempotency_key == key).limit(1)).first()


def _check_same(found: AnyRow, row: dict[str, Any]) -> None:
    """Raise Conflict where a key stands for other jobs than these."""
    if found.arguments_sha256 != row["arguments_sha256"]:
        raise Conflict(
            f"the idempotency key {row['idempotency_key']!r} was used before for job {found.id}, "
            f"which is {found.kind!r} with its own arguments. Nothing was made: use another key, "
            "or ask for the same."
        )


def _again(tx: Connection, found: AnyRow) -> Made:
    """Name the jobs that were made the first time."""
    workflow = select(jobs.c.id).where(jobs.c.workflow_id == found.workflow_id)
    ids = list(tx.execute(workflow.order_by(jobs.c.id)).scalars()) if found.workflow_id else []
    return Made(ids or [found.id], [], repeated=True)
