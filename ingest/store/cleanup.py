"""Forgetting what has ended beside events, in small transactions: jobs and alerts."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

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

    A job of a workflow goes once all of the workflow may; a large one takes several transactions.
    Asked again with ``last_id``, until that is None, it has seen every job that is old enough.
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
        gone = _forget(tx, and_(jobs.c.id.in_(alone), _ended(before)), limit)
    for workflow in workflows:
        gone += _forget_workflow(db, workflow, before, limit)
    return Looked(gone, found[-1].id)


def forget_alerts(db: Database, keep_ms: int) -> int:
    """Delete the alerts that were resolved so long ago."""
    with db.write() as tx:
        before = now(tx) - keep_ms
        told = func.coalesce(alerts.c.last_event_at, alerts.c.since)
        old = (alerts.c.since < before, told < before)
        gone = delete(alerts).where(alerts.c.state == AlertState.RESOLVED, *old)
        return len(tx.execute(gone.returning(alerts.c.name)).all())


def _forget_workflow(db: Database, workflow: str, before: int, limit: int) -> int:
    """Delete the jobs of a workflow, where all of it has ended long ago.

    Nothing that has ended begins again, so it may be done in parts, and what is left by who was
    killed goes the next time.
    """
    own = jobs.c.workflow_id == workflow
    with db.read() as tx:
        if tx.execute(select(jobs.c.id).where(own, ~_ended(before)).limit(1)).first() is not None:
            return 0
    gone = 0
    while True:
        with db.write() as tx:
            part = _forget(tx, own, limit)
        gone += part
        if part < limit:
            return gone


def _ended(before: int) -> ColumnElement[bool]:
    """Whether a job ended before a time (ms)."""
    return and_(jobs.c.state.in_(_LEFT), jobs.c.finished_at < before)


def _forget(tx: Connection, which: ColumnElement[bool], limit: int) -> int:
    """Delete up to ``limit`` jobs, which have ended, and their links."""
    wanted = select(jobs.c.id).where(which).limit(limit).with_for_update(skip_locked=True)
    ids = list(tx.execute(wanted).scalars())
    links = or_(job_links.c.before_id.in_(ids), job_links.c.after_id.in_(ids))
    tx.execute(delete(job_links).where(links))
    tx.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    return len(ids)
