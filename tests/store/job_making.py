"""What the stories of jobs begin with: plans, jobs that are held, and how they end."""

from collections.abc import Sequence

from ingest.jobs.states import (
    ClaimedJob,
    JobOutcome,
    JobRef,
    JobResult,
    JobState,
    Made,
    Plan,
    SettledJob,
)
from ingest.jobs.workflow import Call, Work, plan
from ingest.store import Database, job_claims, jobs
from ingest.store.job_rows import JobRow
from tests.store.making import execute, new_id, now_ms

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SUCCEEDED = JobResult(JobOutcome.SUCCEEDED, result='{"rows":3}')
FAILED = JobResult(JobOutcome.RETRYABLE, "job_error", "ConnectionError: refused")
#: More values than a statement takes: SQLite 32,766, PostgreSQL 65,535.
MANY = 70_000
_FILL = (
    """
INSERT INTO jobs (id, kind, queue, state, arguments, arguments_sha256, trace_id, workflow_id,
    remaining, due_at, wake_at, created_at)
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :others)
SELECT :prefix || CAST(100000000000 + n AS TEXT), 'resize', 'jobs', 'pending', '{}', 'x', 't',
    :workflow, CASE n WHEN 0 THEN 0 ELSE 1 END, :at, CASE n WHEN 0 THEN :at END, :at
FROM numbers
""",
    """
INSERT INTO job_links (before_id, after_id, on_state, position)
SELECT :workflow, id, 'success', 0 FROM jobs WHERE workflow_id = :workflow AND id <> :workflow
""",
)
CRASHED = JobResult(JobOutcome.CRASHED, "exit_1", "its process ended")


def call(kind: str, *args: object) -> Call:
    return Call(kind, args)


def planned(work: Work, on_error: Call | None = None) -> Plan:
    return plan(work, lambda _kind: "jobs", new_id, on_error=on_error)


def made(database: Database, work: Work, on_error: Call | None = None) -> Made:
    """Make the jobs of some work."""
    return jobs.create(database, planned(work, on_error), trace_id=TRACE_ID)


def made_one(database: Database, kind: str = "resize", *args: object) -> str:
    """Make a single job; its id."""
    return made(database, call(kind, *args)).ids[0]


def made_many(database: Database, others: int, at: int) -> str:
    """Make a job, and so many others that wait for it, at a time (ms); the first one's id."""
    prefix = new_id(at)[:24]
    first = f"{prefix}100000000000"
    words = {"others": others, "prefix": prefix, "workflow": first, "at": at}
    for statement in _FILL:
        execute(database, statement, **words)
    return first


def held(database: Database, worker_id: str, *ids: str) -> list[ClaimedJob]:
    """Claim jobs, none of which may be refused, each by a message of its own."""
    found = [one for id_ in ids for one in job_claims.claim(database, worker_id, [id_], {})]
    assert [one.id for one in found] == list(ids)
    return found


def ended(
    claim: ClaimedJob,
    state: JobState = JobState.SUCCESS,
    result: JobResult = SUCCEEDED,
    wake_at: int | None = None,
) -> SettledJob:
    return SettledJob(claim.id, claim.starts, state, wake_at, result, now_ms())


def end(
    database: Database,
    worker_id: str,
    job_id: str,
    state: JobState = JobState.SUCCESS,
    result: JobResult = SUCCEEDED,
) -> list[str]:
    """Claim a job and end it; the ids of what may start because of that."""
    (claim,) = held(database, worker_id, job_id)
    found = job_claims.record(database, worker_id, [ended(claim, state, result)], {})
    assert found.written == 1
    return ids_of(found.due)


def ids_of(refs: Sequence[JobRef]) -> list[str]:
    return [ref.id for ref in refs]


def row(database: Database, job_id: str) -> JobRow:
    found = jobs.get_job(database, job_id)
    assert found is not None
    return found


def state(database: Database, job_id: str) -> JobState:
    return row(database, job_id).state


def states(database: Database, ids: Sequence[str]) -> list[str]:
    return [state(database, id_).value for id_ in ids]
