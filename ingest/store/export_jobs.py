"""How far the jobs of an export are: the job that closes it, and the chunks that go before.

Each of them has ``asked_by`` as its last argument: the id of the ``export`` job that made it.
"""

from sqlalchemy import ColumnElement, func, select

from ingest.jobs.states import FINAL, JobState
from ingest.jobs.workflow import Call, spelled
from ingest.store.database import Database
from ingest.store.job_ends import UPSTREAM_FAILED, UPSTREAM_REVOKED
from ingest.store.job_rows import JobRow, job_row
from ingest.store.job_schema import jobs

_UNENDED = sorted(set(JobState) - FINAL)


def closing_of(db: Database, call: Call, asked_by: str) -> JobRow | None:
    """Return the job that the job ``asked_by`` made for exactly this call; None: none yet."""
    # It is younger than who asked for it: a short stretch of the index.
    same = (jobs.c.id > asked_by, jobs.c.arguments == spelled(call.args, call.kwargs))
    return _first(db, jobs.c.kind == call.kind, *same)


def unended_closing(db: Database, call: Call) -> JobRow | None:
    """Return the oldest job that is to close the same export, whoever asked, and has not ended."""
    any_asker = spelled(call.args, {}).removesuffix("}}")
    same = func.substr(jobs.c.arguments, 1, len(any_asker)) == any_asker
    return _first(db, jobs.c.kind == call.kind, jobs.c.state.in_(_UNENDED), same)


def rows_told(db: Database, closing: JobRow) -> int:
    """Return how many rows the chunks that ``closing`` waits for have told of."""
    told = select(func.coalesce(func.sum(jobs.c.progress_done), 0))
    with db.read() as tx:
        own = jobs.c.workflow_id == closing.workflow_id
        return int(tx.execute(told.where(own)).scalar_one())


def culprit(db: Database, closing: JobRow) -> JobRow:
    """Return the job because of which ``closing`` will never run, or that job itself."""
    others = (UPSTREAM_FAILED, UPSTREAM_REVOKED)
    ended = jobs.c.state.in_((JobState.FAILURE, JobState.REVOKED))
    own = (jobs.c.workflow_id == closing.workflow_id, ended, jobs.c.error_code.not_in(others))
    with db.read() as tx:
        found = select(jobs).where(*own).order_by(jobs.c.finished_at, jobs.c.id).limit(1)
        row = tx.execute(found).first()
    return closing if row is None else job_row(row)


def _first(db: Database, *which: ColumnElement[bool]) -> JobRow | None:
    with db.read() as tx:
        row = tx.execute(select(jobs).where(*which).order_by(jobs.c.id).limit(1)).first()
    return None if row is None else job_row(row)
