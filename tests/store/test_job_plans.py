"""No step of a job reads all jobs there ever were: SQLite itself explains each statement."""

import re
from collections.abc import Callable

import pytest

from ingest.jobs.states import JobState, Progress, Told
from ingest.jobs.workflow import chord
from ingest.store import Database, job_claims, jobs, ledger, open_database, wake
from tests.store.job_making import FAILED, call, end, held, made, made_one, planned
from tests.store.making import a_worker, end_leases, execute
from tests.store.test_plans import plans_of

SCAN = re.compile(r"SCAN (jobs|job_links|before)\b(?! USING (COVERING )?INDEX jobs_(waiting|held))")


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
    ledger.violations(database)


def showing(database: Database) -> None:
    jobs.get_job(database, made_one(database))
    jobs.list_jobs(database, state=JobState.SUCCESS)
    jobs.list_jobs(database, kind="resize")
    jobs.list_jobs(database, workflow_id="w")


@pytest.mark.parametrize(
    "step",
    [creating, a_workflow, claiming_under_a_cap, telling, freeing, waking, counting, showing],
    ids=lambda step: step.__name__,
)
def test_no_step_reads_every_job(sqlite_url: str, step: Callable[[Database], None]) -> None:
    database = open_database(sqlite_url)
    try:
        with plans_of(database) as plans:
            step(database)
        assert [plan for plan in plans if SCAN.search(plan)] == []
        assert any("jobs" in plan for plan in plans)
    finally:
        database.close()
