"""The promise about jobs, checked in SQL, how many wait, and what failed: see ``ledger``."""

from collections import Counter

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    literal_column,
    select,
)

from ingest.jobs.states import FINAL, JobState
from ingest.store.database import Database
from ingest.store.dialect import now
from ingest.store.job_rows import IS_HELD, IS_PENDING, WAITS
from ingest.store.job_schema import job_links, jobs
from ingest.store.schema import workers
from ingest.store.workers import leased

#: A job that is said to have succeeded or failed, though no start of it was ever counted.
UNTRIED: ColumnElement[bool] = and_(
    jobs.c.state.in_([JobState.SUCCESS.value, JobState.FAILURE.value]),
    jobs.c.attempts + jobs.c.crashes == 0,
)


def checks(grace_ms: int) -> dict[str, Select[int]]:
    """Count the jobs that break the promise, by the name of what they break. All must be 0.

    What waits for others waits for one that has not ended; what runs has a live worker.
    """
    worker = select(workers.c.id).where(workers.c.id == jobs.c.worker_id, leased(grace_ms))
    before = jobs.alias("before")
    unended = exists().where(
        job_links.c.after_id == jobs.c.id,
        job_links.c.before_id == before.c.id,
        before.c.state.not_in(sorted(FINAL)),
    )
    ready = (IS_PENDING, jobs.c.remaining == 0, jobs.c.paused_at.is_(None))
    return {
        "job_waits_for_nothing": _count(IS_PENDING, jobs.c.remaining > 0, ~unended),
        "job_without_wake": _count(*ready, jobs.c.wake_at.is_(None)),
        "job_without_worker": _count(IS_HELD, ~worker.exists()),
    }


def depths(tx: Connection, moment: int) -> list[tuple[str, str, int, int | None]]:
    """Count the jobs that may start and those that are held: queue, state, count, oldest age."""
    figures = (func.count().label("total"), func.min(jobs.c.due_at).label("oldest"))
    waiting = select(jobs.c.queue, *figures).where(WAITS).group_by(jobs.c.queue)
    held = select(jobs.c.queue, figures[0]).where(IS_HELD).group_by(jobs.c.queue)
    found: list[tuple[str, str, int, int | None]] = [
        (row.queue, JobState.PENDING.value, row.total, max(0, moment - row.oldest))
        for row in tx.execute(waiting.order_by(jobs.c.queue))
    ]
    started = tx.execute(held.order_by(jobs.c.queue))
    return found + [(row.queue, JobState.STARTED.value, row.total, None) for row in started]


def failures(db: Database, within_ms: int, newest: int) -> Counter[str]:
    """Count, by their code, the jobs that failed for good of late, of the newest so many."""
    failed = select(jobs.c.error_code, jobs.c.finished_at).where(
        jobs.c.state == literal_column("'failure'")
    )
    latest = failed.order_by(jobs.c.id.desc()).limit(newest).subquery()
    with db.read() as tx:
        since = latest.c.finished_at >= now(tx) - within_ms
        return Counter(tx.execute(select(latest.c.error_code).where(since)).scalars())


def _count(*conditions: object) -> Select[int]:
    return select(func.count()).select_from(jobs).where(*conditions)  # type: ignore[arg-type]  # conditions of any spelling
