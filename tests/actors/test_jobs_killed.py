"""kill -9 of workers and schedulers at random moments: the result of an undisturbed run."""

import os
import random
import signal

import pytest

from ingest.jobs.states import FINAL, JobState
from ingest.jobs.workflow import chain, chord, group
from ingest.store import jobs, ledger
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.waiting import wait_until

CODE = """
@job(retry_for=(ConnectionError,))
def member(context, number):
    context.progress(number)
    time.sleep(0.02)
    note("member", number)
    return number
@job()
async def total(context):
    await asyncio.sleep(0.02)
    note("total", "x")
    return sum(context.results)
@job(max_retries=0)
def fails(context): time.sleep(0.02); raise ValueError("for good")
@job()
def told(context): note("told", "x")
"""


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    made = JobRig(rig)
    made.write(CODE)
    return made


def kill(process: object) -> None:
    os.killpg(process.pid, signal.SIGKILL)  # type: ignore[attr-defined]  # a Popen
    process.wait()  # type: ignore[attr-defined]  # likewise


def test_no_job_is_lost_when_workers_and_schedulers_are_killed(rigged: JobRig) -> None:
    """Three rounds: whoever lost its worker in each was innocent, and is not quarantined."""
    seed = random.SystemRandom().randrange(10_000)
    moments = random.Random(seed)
    members = [rigged.call("member", number) for number in range(60)]
    good = rigged.make(chain(chord(members, rigged.call("total")), rigged.call("total")))
    failing = group(rigged.call("member", 100), rigged.call("fails"), rigged.call("fails"))
    bad = rigged.make(chain(failing, rigged.call("total")), on_error=rigged.call("told"))
    rigged.rig.start("actors.scheduler")
    for _ in range(3):
        killed = rigged.rig.start("actors.scheduler")
        worker = rigged.rig.dramatiq(threads=8)
        done = len(set(rigged.notes("member"))) + moments.randrange(1, 12)
        wait_until(lambda done=done: len(set(rigged.notes("member"))) >= done, timeout=60)  # type: ignore[misc]  # the loop's value
        kill(worker)
        kill(killed)
    rigged.rig.dramatiq(threads=8)
    every = [*good, *bad]
    wait_until(
        lambda: all(rigged.row(id_).state in FINAL for id_ in every),
        timeout=90,
        describe=f"every job to end (seed {seed})",
    )
    assert {rigged.row(id_).state for id_ in good} == {JobState.SUCCESS}, seed
    assert rigged.result(good[-1]) == sum(range(60)), seed
    assert [rigged.row(id_).state.value for id_ in bad] == [
        *("success", "failure", "failure", "revoked", "success"),
    ], seed
    made = [one.id for one in jobs.list_jobs(rigged.database, limit=200) if not one.schedule]
    assert sorted(made) == sorted(every), seed
    assert set(ledger.violations(rigged.database).values()) == {0}


def test_reject_on_worker_lost(rigged: JobRig) -> None:
    """Started again within the lease, and alone: perhaps it was the job that ended the process."""
    rigged.write("""
@job()
def slow(context):
    note("began", context.earlier.done)
    context.progress(42)
    if context.attempt == 1: threading.Event().wait()
    return context.attempt
""")
    rigged.rig.start("actors.scheduler")
    worker = rigged.rig.dramatiq()
    job_id = rigged.make(rigged.call("slow"))[0]
    wait_until(lambda: rigged.row(job_id).progress.done == 42, timeout=20)
    kill(worker)
    rigged.rig.dramatiq()
    assert rigged.wait_for(job_id, JobState.SUCCESS, timeout=40).crashes == 1
    assert rigged.result(job_id) == 2
    assert rigged.notes("began") == ["None", "42"]
