"""Forgetting what has ended beside events, in small transactions: jobs and alerts."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, or_, select

from ingest.alerts import AlertState
from ingest.jobs.states import FINAL
from ingest.store.database import Database
from ingest.store.dialect import now
from ingest.store.ids import first_id
from ingest.store.job_schema import alerts, job_links, jobs

_LEFT = sorted(FINAL)


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look came to. ``last_id`` None: nothing is behind it."""

    forgotten: int
    last_id: str | None


def forget_jobs(db: Database, keep_ms: int, after: str, limit: int) -> Looked:
    """Delete jobs that ended so long ago, of ``limit`` that were made ``after`` (an id).

    A job of a workflow goes once all of the workflow may. Asked again with ``last_id``, until
    that is None, it has seen every job that is old enough.
    """
    with db.read() as tx:
        before = now(tx) - keep_ms
        old = select(jobs.c.id, jobs.c.workflow_id).where(
            jobs.c.id > after, jobs.c.id < first_id(before)
        )
        found = tx.execute(old.order_by(jobs.c.id).limit(limit)).all()
    if not found:
        return Looked(0, None)
    alone = [row.id for row in found if row.workflow_id is None]
    workflows = sorted({row.workflow_id for row in found if row.workflow_id is not None})
    with db.write() as tx:
        gone = _forget(tx, alone, [], before)
    for workflow in workflows:
        with db.write() as tx:
            gone += _forget(tx, [], [workflow], before)
    return Looked(gone, found[-1].id)


def forget_alerts(db: Database, keep_ms: int) -> int:
    """Delete the alerts that were resolved so long ago."""
    with db.write() as tx:
        before = now(tx) - keep_ms
        told = func.coalesce(alerts.c.last_event_at, alerts.c.since)
        old = (alerts.c.since < before, told < before)
        gone = delete(alerts).where(alerts.c.state == AlertState.RESOLVED, *old)
        return len(tx.execute(gone.returning(alerts.c.name)).all())


def _forget(tx: Connection, ids: list[str], workflows: list[str], before: int) -> int:
    """Delete jobs and their links, where all of a workflow has ended long ago."""
    others = jobs.alias("others")
    kept = or_(others.c.state.not_in(_LEFT), others.c.finished_at >= before)
    whole = ~select(others.c.id).where(others.c.workflow_id == jobs.c.workflow_id, kept).exists()
    chosen = or_(jobs.c.id.in_(ids), and_(jobs.c.workflow_id.in_(workflows), whole))
    ended = (jobs.c.state.in_(_LEFT), jobs.c.finished_at < before)
    wanted = select(jobs.c.id).where(chosen, *ended).order_by(jobs.c.id)
    locked = list(tx.execute(wanted.with_for_update(skip_locked=True, of=jobs)).scalars())
    links = or_(job_links.c.before_id.in_(locked), job_links.c.after_id.in_(locked))
    tx.execute(delete(job_links).where(links))
    tx.execute(delete(jobs).where(jobs.c.id.in_(locked)))
    return len(locked)
