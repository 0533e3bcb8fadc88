"""No step of a job reads all jobs there ever were: the databases explain each statement."""

import re
from collections.abc import Callable, Iterator

import pytest

from ingest.jobs.states import JobState, Progress, Told
from ingest.jobs.workflow import chord
from ingest.store import Database, job_claims, job_ledger, jobs, ledger, open_database, wake
from tests.store.job_making import FAILED, call, end, ended, held, made, made_one, planned
from tests.store.making import a_worker, end_leases, execute
from tests.store.test_plans import plans_of

#: As many finished jobs, each with a link, as it takes for the plans of a million (compared once).
FINISHED = 100_000
#: The primary key in its order is how the ledger finds where its newest rows begin: up to a limit.
SMALL = r"(jobs_(waiting|held)|sqlite_autoindex_jobs_1)"
SCAN = re.compile(rf"SCAN (jobs|job_links|before)\b(?! USING (COVERING )?INDEX {SMALL})")

READ_WHOLE = re.compile(r"Seq Scan on (jobs|job_links)\b")
#: PostgreSQL's words for reading all that waits.
BACKLOG = re.compile(r".*Scan (using|on) jobs_waiting\b")
FILL_JOBS = """
INSERT INTO jobs (id, kind, queue, state, arguments, arguments_sha256, trace_id, workflow_id,
    due_at, created_at, started_at, finished_at, starts, attempts)
SELECT 'a-' || lpad(n::text, 10, '0'), CASE n % 3 WHEN 0 THEN 'resize' ELSE 'other' END, 'jobs',
    CASE n % 50 WHEN 0 THEN 'failure' ELSE 'success' END, '{"args":[],"kwargs":{}}', 'x', 't',
    CASE n % 2 WHEN 0 THEN 'w-' || n / 10 END, n, n, n, n, 1, 1
FROM generate_series(1, :finished) AS s(n)
"""
FILL_LINKS = """
INSERT INTO job_links (before_id, after_id, on_state, position)
SELECT 'a-' || lpad(n::text, 10, '0'), 'a-' || lpad((n + 1)::text, 10, '0'), 'success', 0
FROM generate_series(1, :finished - 1) AS s(n)
"""


@pytest.fixture
def filled(postgres_url: str) -> Iterator[Database]:
    """PostgreSQL plans by the sizes it measured, and reads small tables whole."""
    database = open_database(postgres_url)
    for statement in (FILL_JOBS, FILL_LINKS):
        execute(database, statement, finished=FINISHED)
    execute(database, "ANALYZE jobs, job_links")
    yield database
    database.close()


def creating(database: Database) -> None:
    work = planned(chord([call("a"), call("b")], call("c")))
    for _ in range(2):
        jobs.create(database, work, trace_id="t", idempotency_key="k")


def a_workflow(database: Database) -> None:
    worker = a_worker(database)
    first, second, _, _ = made(database, chord([call("a"), call("b")], call("c")), call("tell")).ids
    end(database, worker, first)
    end(database, worker, second, JobState.FAILURE, FAILED)


def claiming_under_a_cap(database: Database) -> None:
    worker, ids = a_worker(database), [made_one(database) for _ in range(2)]
    for id_ in ids:
        job_claims.claim(database, worker, [id_], {"resize": 1})


def telling(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    held(database, worker, job_id)
    job_claims.save_progress(database, worker, [Told(job_id, 1, Progress(done=1))])
    jobs.cancel(database, job_id)


def freeing(database: Database) -> None:
    held(database, a_worker(database), made_one(database))
    end_leases(database)
    job_claims.free_expired(database, 10)


def waking(database: Database) -> None:
    made_one(database)
    execute(database, "UPDATE jobs SET wake_at = 1 WHERE wake_at IS NOT NULL")
    wake.due_jobs(database, 10, ["other"])


def counting(database: Database) -> None:
    ledger.depths(database)
    ledger.violations(database, newest=100)
    ledger.Audit(database, 100).step()
    job_ledger.failures(database, 1_000, 10)


def showing(database: Database) -> None:
    jobs.get_job(database, made_one(database))
    jobs.list_jobs(database, state=JobState.SUCCESS)
    jobs.list_jobs(database, kind="resize")
    jobs.list_jobs(database, workflow_id="w")


STEPS = (creating, a_workflow, claiming_under_a_cap, telling, freeing, waking, counting, showing)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_no_step_reads_every_job(sqlite_url: str, step: Callable[[Database], None]) -> None:
    """SQLite plans by its indexes alone, so an empty database tells what a large one would."""
    database = open_database(sqlite_url)
    try:
        with plans_of(database) as plans:
            step(database)
        assert [plan for plan in plans if SCAN.search(plan)] == []
        assert any("jobs" in plan for plan in plans)
    finally:
        database.close()


def test_no_step_reads_every_job_of_a_filled_postgresql(filled: Database) -> None:
    with plans_of(filled) as plans:
        for step in STEPS:
            step(filled)
    assert any("jobs" in plan for plan in plans)
    assert [plan for plan in plans if READ_WHOLE.search(plan)] == []


def test_a_backlog_that_postgresql_knows_nothing_of_is_not_read_by_each_claim(
    filled: Database,
) -> None:
    """Statistics are up to a minute older than what was made since: see ``test_plans``."""
    worker, ids = a_worker(filled), [made_one(filled) for _ in range(300)]
    with plans_of(filled) as plans:
        (claim,) = held(filled, worker, ids[0])
        job_claims.record(filled, worker, [ended(claim)], {})
        job_claims.claim(filled, worker, ids[1:2], {"resize": 0})
    assert [plan for plan in plans if BACKLOG.match(plan)] == []


def test_a_plan_that_reads_every_job_would_be_seen(filled: Database) -> None:
    with plans_of(filled) as plans:
        execute(filled, "UPDATE jobs SET starts = starts WHERE trace_id = 'x'")
    assert any(READ_WHOLE.search(plan) for plan in plans)
