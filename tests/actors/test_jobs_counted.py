"""Every end of a job is counted and logged once: by its worker, or by whoever finds it lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.scheduler import CONTACT_MS, Scheduler
from ingest import metrics
from ingest.config.model import Config
from ingest.jobs.states import JobState
from ingest.jobs.workflow import chain
from ingest.lifecycle import LOSSES_TO_QUARANTINE
from ingest.queue import WakeBroker, build_broker
from ingest.store import job_claims, jobs
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.store.making import a_worker, end_leases, execute, new_id, now_ms
from tests.waiting import wait_until

CODE = """
@job(max_retries=0)
def fails(context): raise ValueError("for good")
@job(max_retries=0)
def waits(context): note("began", "x"); wait((HERE / "end").exists)
@job()
def follows(context): pass
@job()
def told(context): pass
"""


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    made = JobRig(rig)
    made.write(CODE)
    return made


@pytest.fixture
def broker(redis_url: str) -> Iterator[WakeBroker]:
    made = build_broker(redis_url, [])
    yield made
    made.client.connection_pool.disconnect()


@pytest.fixture
def scheduler(rigged: JobRig, broker: WakeBroker) -> Scheduler:
    """One that has been in contact with the database for long enough to free what is lost."""
    made = Scheduler(rigged.database, broker, Config)
    made.tick(now_ms())
    return made


def counted(rigged: JobRig, name: str) -> dict[str, float]:
    """How often jobs of one kind came to each state, as Prometheus would hear."""
    kind = f"{rigged.rig.module}.{name}"
    counts = {state: metrics.JOBS.labels(kind, state)._value.get() for state in JobState}
    return {state.value: count for state, count in counts.items() if count}


def logged(logs: list[Any]) -> list[tuple[str, str]]:
    return sorted((one["job_id"], one["state"]) for one in logs if one["event"] == "job.ended")


def test_a_job_that_is_lost_for_the_last_time_is_counted_once_with_what_it_revokes(
    rigged: JobRig, scheduler: Scheduler
) -> None:
    work = chain(rigged.call("waits"), rigged.call("follows"), rigged.call("follows"))
    lost, second, third, errback = rigged.make(work, on_error=rigged.call("told"))
    execute(
        rigged.database,
        "UPDATE jobs SET crashes = :lost, starts = :lost WHERE id = :id",
        lost=LOSSES_TO_QUARANTINE - 1,
        id=lost,
    )
    assert job_claims.claim(rigged.database, a_worker(rigged.database), [lost], {})
    end_leases(rigged.database)

    with capture_logs() as logs:
        for _ in range(3):
            scheduler.tick(now_ms() + CONTACT_MS)

    assert rigged.row(lost).error_code == "quarantined"
    assert counted(rigged, "waits") == {"failure": 1}
    assert counted(rigged, "follows") == {"revoked": 2}
    assert logged(logs) == [(lost, "failure"), (second, "revoked"), (third, "revoked")]
    assert rigged.row(errback).state is JobState.PENDING


def test_a_failure_in_a_worker_is_counted_with_what_it_revokes(rigged: JobRig) -> None:
    with rigged.rig.worker() as broker:
        work = chain(rigged.call("fails"), rigged.call("follows"))
        _, second = rigged.make(work, broker=broker)
        rigged.wait_for(second, JobState.REVOKED)
    assert counted(rigged, "fails") == {"failure": 1}
    assert counted(rigged, "follows") == {"revoked": 1}


def test_an_outcome_that_comes_after_its_job_was_taken_away_is_not_counted_again(
    rigged: JobRig, scheduler: Scheduler
) -> None:
    """The process was suspended, say: the scheduler has told of that start already."""
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "waits")
        wait_until(lambda: rigged.notes("began"))
        execute(rigged.database, "UPDATE jobs SET worker_id = :id", id=new_id())
        scheduler.tick(now_ms() + CONTACT_MS)
        assert rigged.row(job_id).crashes == 1
        assert counted(rigged, "waits") == {"pending": 1}
        execute(rigged.database, "UPDATE jobs SET due_at = :later", later=now_ms() + 60_000)
        (rigged.rig.folder / "end").touch()
    assert counted(rigged, "waits") == {"pending": 1}


def test_a_failed_job_that_somebody_cancelled_is_counted_as_revoked(rigged: JobRig) -> None:
    """It would be tried again otherwise; nobody heard the wish while it ran."""
    rigged.write("""
@job(max_retries=5)
def deaf(context):
    note("began", "x")
    wait((HERE / "end").exists)
    raise ValueError("again?")
""")
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "deaf")
        wait_until(lambda: rigged.notes("began"))
        jobs.cancel(rigged.database, job_id)
        (rigged.rig.folder / "end").touch()
        rigged.wait_for(job_id, JobState.REVOKED)
    assert counted(rigged, "deaf") == {"revoked": 1}
