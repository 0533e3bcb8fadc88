"""A job as it is read back: for the wire, and for people."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, literal_column, select, update

from ingest.jobs.states import JobRef, JobState, Progress
from ingest.store.delivery_rows import REPUBLISH_MS
from ingest.store.job_schema import jobs
from ingest.store.schema import AnyRow

#: A wake time says that a job is pending and may start, a worker that it is held. To ask for that
#: alone lets both databases take the partial indexes.
WAITS: ColumnElement[bool] = jobs.c.wake_at.is_not(None)
IS_HELD: ColumnElement[bool] = jobs.c.worker_id.is_not(None)
IS_PENDING: ColumnElement[bool] = jobs.c.state == literal_column("'pending'")
#: What WAITS means, for jobs whose ids are given: PostgreSQL, which believes that nothing waits
#: until it has counted again, would take the index of all that waits for the shortest way to one.
IS_READY: ColumnElement[bool] = and_(IS_PENDING, jobs.c.remaining == 0, jobs.c.paused_at.is_(None))


@dataclass(frozen=True, slots=True)
class JobRow:
    """Everything that is known of a job. Times are in milliseconds since the epoch."""

    id: str
    kind: str
    queue: str
    state: JobState
    arguments: str
    remaining: int
    paused_at: int | None
    due_at: int
    wake_at: int | None
    worker_id: str | None
    claimed_at: int | None
    starts: int
    attempts: int
    crashes: int
    progress: Progress
    result: str | None
    result_ref: str | None
    error_code: str | None
    error_message: str | None
    idempotency_key: str | None
    workflow_id: str | None
    schedule: str | None
    fire_at: int | None
    trace_id: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    cancel_requested_at: int | None


_PLAIN = [name for name in JobRow.__dataclass_fields__ if name not in {"state", "progress"}]


def ref_from(row: AnyRow) -> JobRef:
    """Build what the wire needs to know of a job."""
    return JobRef(row.id, row.kind, row.queue, alone=row.crashes > 0)


def progress_from(row: AnyRow) -> Progress:
    """Read what a job told last."""
    return Progress(row.progress_step, row.progress_done, row.progress_total, row.progress_message)


def once_due(moment: int) -> ColumnElement[int]:
    """Spell the wake time of a job that may start from ``moment`` (ms), but not before it is due.

    Woken before, it would be published and not claimed, again and again.
    """
    return case((jobs.c.due_at > moment, jobs.c.due_at), else_=moment)


def postpone(tx: Connection, ids: list[str], moment: int, horizon_ms: int = 0) -> list[JobRef]:
    """Move the ``wake_at`` of due jobs on, and return them for publishing, as for deliveries."""
    if not ids:
        return []
    free = select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.wake_at <= moment + horizon_ms)
    free = free.order_by(jobs.c.id).with_for_update(skip_locked=True)
    moved = update(jobs).where(jobs.c.id.in_(free)).values(wake_at=moment + REPUBLISH_MS)
    refs = {row.id: ref_from(row) for row in tx.execute(moved.returning(jobs))}
    return [refs[id_] for id_ in ids if id_ in refs]


def job_row(row: AnyRow) -> JobRow:
    """Build what people see of a job."""
    values = {name: getattr(row, name) for name in _PLAIN}
    return JobRow(**values, state=JobState(row.state), progress=progress_from(row))
