"""What becomes of jobs whose worker stops, and of those that make others and are tried again."""

import pytest

from ingest.jobs.states import JobState
from ingest.queue import publish_jobs
from ingest.store import jobs
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.store.making import execute
from tests.waiting import wait_until


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    made = JobRig(rig)
    made.write("""
@job()
def counts(context):
    done = context.earlier.done or 0
    note("from", done)
    while not (HERE / "end").exists():
        done += 1
        context.progress(done)
        time.sleep(0.01)
@job()
def member(context, number): return number
@job()
def total(context): note("total", sum(context.results)); return sum(context.results)
@job(max_retries=3)
def plans(context):
    ids = context.enqueue(chord([member.s(number) for number in range(4)], total.s()))
    if context.attempt < 3: raise ConnectionError("after they were made")
    return ids
@job(max_retries=1)
def undecided(context):
    context.enqueue(member.s(1) if context.attempt == 1 else total.s())
    raise ConnectionError("after it was made")
@job(max_retries=0)
def fickle(context): context.enqueue(member.s(context.attempt))
""")
    return made


def test_a_job_that_listens_goes_on_elsewhere_when_its_worker_stops(rigged: JobRig) -> None:
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "counts")
        wait_until(lambda: (rigged.row(job_id).progress.done or 0) > 5)
    stopped = rigged.row(job_id)
    assert (stopped.state, stopped.starts, stopped.attempts) == (JobState.PENDING, 0, 0)
    assert stopped.worker_id is None
    with rigged.rig.worker() as broker:
        publish_jobs(broker, rigged.due())
        wait_until(lambda: len(rigged.notes("from")) == 2)
        (rigged.rig.folder / "end").touch()
        rigged.wait_for(job_id, JobState.SUCCESS)
    assert rigged.notes("from") == ["0", str(stopped.progress.done)]


def test_a_job_that_is_paused_and_resumed_goes_on_from_where_it_was(rigged: JobRig) -> None:
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "counts")
        wait_until(lambda: (rigged.row(job_id).progress.done or 0) > 5)
        jobs.pause(rigged.database, job_id)
        paused = rigged.wait_for(job_id, JobState.PENDING)
        assert (paused.wake_at, paused.attempts) == (None, 0)
        (rigged.rig.folder / "end").touch()
        jobs.resume(rigged.database, job_id)
        publish_jobs(broker, rigged.due())
        rigged.wait_for(job_id, JobState.SUCCESS)
    assert rigged.notes("from") == ["0", str(paused.progress.done)]


def test_a_job_that_is_tried_again_makes_its_jobs_only_once(rigged: JobRig) -> None:
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "plans")
        for tries in (1, 2):
            wait_until(lambda tries=tries: rigged.row(job_id).attempts == tries)  # type: ignore[misc]  # the loop's value
            publish_jobs(broker, rigged.due())
        ids = rigged.result(job_id)
        assert rigged.result(ids[-1]) == 6
    assert len(jobs.list_jobs(rigged.database)) == 6
    assert rigged.notes("total") == ["6"]


def test_a_start_that_then_asks_for_a_job_of_another_kind_makes_none(rigged: JobRig) -> None:
    """The first one's stands: whoever reads a clock or a random number would else do both."""
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "undecided")
        wait_until(lambda: rigged.row(job_id).attempts == 1)
        publish_jobs(broker, rigged.due())
        wait_until(lambda: rigged.row(job_id).attempts == 2)
    row = rigged.row(job_id)
    assert row.error_message is not None
    assert "Conflict" in row.error_message
    assert "Nothing was made" in row.error_message
    kinds = sorted(one.kind.split(".")[1] for one in jobs.list_jobs(rigged.database))
    assert kinds == ["member", "undecided"]


def test_jobs_that_a_job_makes_bear_its_trace(rigged: JobRig) -> None:
    with rigged.rig.worker() as broker:
        rigged.wait_for(rigged.run(broker, "fickle"), JobState.SUCCESS)
    assert len({row.trace_id for row in jobs.list_jobs(rigged.database)}) == 1


def test_a_job_that_nobody_knows_any_more_is_kept_for_a_while(rigged: JobRig) -> None:
    with rigged.rig.worker() as broker:
        job_id = rigged.make(rigged.call("counts"))[0]
        execute(rigged.database, "UPDATE jobs SET kind = 'gone'")
        publish_jobs(broker, rigged.due())
        wait_until(lambda: rigged.row(job_id).attempts == 1)
    assert (rigged.row(job_id).error_code, rigged.row(job_id).state) == ("unknown_job", "pending")


def test_a_job_that_rests_holds_no_thread_and_uses_up_no_try(rigged: JobRig) -> None:
    rigged.write("""
@job(max_retries=0)
def waits(context):
    done = (context.earlier.done or 0) + 1
    context.progress(done)
    if done < 3: context.rest(60)
    return done
""")
    with rigged.rig.worker(threads=1) as broker:
        job_id = rigged.run(broker, "waits")
        for turn in (1, 2):
            wait_until(
                lambda turn=turn: (
                    rigged.row(job_id).progress.done == turn  # type: ignore[misc]  # the loop's value
                    and rigged.row(job_id).worker_id is None
                )
            )
            resting = rigged.row(job_id)
            assert (resting.state, resting.starts) == (JobState.PENDING, 0)
            assert resting.wake_at is not None
            assert resting.started_at is not None
            assert resting.wake_at - resting.started_at > 50_000
            assert resting.due_at == resting.wake_at
            publish_jobs(broker, rigged.due())
        assert rigged.result(job_id) == 3
