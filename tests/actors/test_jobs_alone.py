"""A job whose earlier start never reported runs alone in a child, and hurts nobody but itself."""

from collections.abc import Iterator

import pytest

from ingest.jobs.states import JobState, Progress
from ingest.queue import WakeBroker, build_broker, publish_jobs
from ingest.store import jobs, wake
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.store.making import execute, one
from tests.waiting import wait_until


@pytest.fixture
def rigged(sqlite_rig: Rig) -> JobRig:
    made = JobRig(sqlite_rig)
    made.write("""
@on_startup
async def connect(resources): resources["loop"] = asyncio.get_running_loop()
@job()
def fine(context, number):
    note("pid", "x")
    context.progress(1, 2, step="half")
    return [number, context.attempt, os.getpid(), context.earlier.done]
@job()
async def shares(context): return context.resources["loop"] is asyncio.get_running_loop()
@job(max_retries=0)
def exits(context): os._exit(13)
@job()
def hangs(context):
    context.progress(message="deaf from now on")
    threading.Event().wait()
@job()
def child(context): return "made"
@job()
def parent(context): return context.enqueue(child.s())
@job(max_retries=0)
def raises(context): raise ValueError("not today")
""")
    return made


@pytest.fixture
def broker(rigged: JobRig) -> Iterator[WakeBroker]:
    """The way to a real worker, whose children find the user's folder."""
    rigged.rig.dramatiq()
    made = build_broker(rigged.rig.environ["HOOKKEEPER_BROKER_URL"], [])
    yield made
    made.client.connection_pool.disconnect()


def suspect(rigged: JobRig, name: str, *args: object) -> str:
    """A job that was started once, by a process that then died."""
    job_id = rigged.make(rigged.call(name, *args))[0]
    changes = "crashes = 1, starts = 1, wake_at = 1, progress_done = 7"
    execute(rigged.database, f"UPDATE jobs SET {changes} WHERE id = :id", id=job_id)
    return job_id


def test_a_suspect_runs_in_a_process_of_its_own_and_tells_its_progress(
    rigged: JobRig, broker: WakeBroker
) -> None:
    job_id = suspect(rigged, "fine", 5)
    publish_jobs(broker, wake.due_jobs(rigged.database, 1))
    number, attempt, process, earlier = rigged.result(job_id)
    assert (number, attempt, earlier) == (5, 2, 7)
    assert process != one(rigged.database, "SELECT pid FROM workers")
    assert rigged.row(job_id).progress == Progress("half", 1, 2, None)


def test_a_childs_startup_hooks_and_async_jobs_share_one_loop(
    rigged: JobRig, broker: WakeBroker
) -> None:
    for _ in range(2):
        job_id = suspect(rigged, "shares")
        publish_jobs(broker, wake.due_jobs(rigged.database, 1))
        assert rigged.result(job_id) is True


def test_a_job_that_exits_its_process_is_quarantined_and_its_neighbours_go_on(
    rigged: JobRig, broker: WakeBroker
) -> None:
    job_id = suspect(rigged, "exits")
    publish_jobs(broker, wake.due_jobs(rigged.database, 1))
    wait_until(lambda: rigged.row(job_id).crashes == 2)
    assert rigged.row(job_id).error_code == "exit_13"
    assert rigged.result(rigged.run(broker, "fine", 1))[0] == 1
    execute(rigged.database, "UPDATE jobs SET due_at = 1, wake_at = 1 WHERE state = 'pending'")
    publish_jobs(broker, wake.due_jobs(rigged.database, 1))
    ended = rigged.wait_for(job_id, JobState.FAILURE)
    assert (ended.error_code, ended.crashes, ended.attempts) == ("quarantined", 3, 0)


def test_a_suspect_that_is_cancelled_is_killed(rigged: JobRig, broker: WakeBroker) -> None:
    job_id = suspect(rigged, "hangs")
    publish_jobs(broker, wake.due_jobs(rigged.database, 1))
    wait_until(lambda: rigged.row(job_id).progress.message == "deaf from now on")
    jobs.cancel(rigged.database, job_id)
    assert rigged.wait_for(job_id, JobState.REVOKED).error_code == "cancelled"


def test_a_suspect_may_make_more_jobs(rigged: JobRig, broker: WakeBroker) -> None:
    job_id = suspect(rigged, "parent")
    publish_jobs(broker, wake.due_jobs(rigged.database, 1))
    (made,) = rigged.result(job_id)
    assert rigged.row(made).kind.endswith(".child")


def test_a_suspects_exception_is_an_ordinary_failure(rigged: JobRig, broker: WakeBroker) -> None:
    job_id = suspect(rigged, "raises")
    publish_jobs(broker, wake.due_jobs(rigged.database, 1))
    ended = rigged.wait_for(job_id, JobState.FAILURE)
    assert (ended.error_code, ended.crashes, ended.attempts) == ("job_error", 1, 1)
