"""Kill schedulers at random moments: one job a moment, none missing, none twice."""

import random
from itertools import pairwise

import pytest

from ingest.store import schedules
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.actors.test_jobs_killed import kill
from tests.store.making import rows
from tests.waiting import wait_until

SECOND = 1_000
ROUNDS = 4
EVERY_SECOND = """
[schedules.tick]
every = "1s"
job = "tick"
catch_up = "all"
"""
JOB = """
@job(name="tick")
def tick(context: JobContext) -> None:
    note("ticked", context.job_id)
"""


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    made = JobRig(rig)
    made.write(JOB)
    rig.config(EVERY_SECOND)
    return made


def fired(rigged: JobRig) -> list[int]:
    wanted = "SELECT fire_at FROM jobs WHERE schedule = 'tick' ORDER BY fire_at"
    return [at for (at,) in rows(rigged.database, wanted)]


def test_killed_schedulers_leave_one_job_a_moment(rigged: JobRig) -> None:
    """Two run at a time, so that they race; now and then none does, and all is caught up."""
    seed = random.SystemRandom().randrange(10_000)
    moments = random.Random(seed)
    for _ in range(ROUNDS):
        before = len(fired(rigged))
        pair = [rigged.rig.start("actors.scheduler") for _ in range(1 + moments.randrange(2))]
        wanted = before + moments.randrange(1, 5)
        wait_until(
            lambda wanted=wanted: len(fired(rigged)) >= wanted,  # type: ignore[misc]  # the loop's value
            timeout=60,
            describe=f"{wanted} jobs (seed {seed})",
        )
        for process in pair:
            kill(process)
    rigged.rig.start("actors.scheduler")
    rigged.rig.dramatiq()
    last = fired(rigged)[-1]
    wait_until(lambda: fired(rigged)[-1] >= last + 2 * SECOND, timeout=60)

    found = fired(rigged)
    assert [later - earlier for earlier, later in pairwise(found)] == [SECOND] * (len(found) - 1), (
        seed
    )
    assert schedules.look(rigged.database)[1]["tick"].fired_until >= found[-1]
    wait_until(lambda: len(rigged.notes("ticked")) >= len(found), timeout=60)
    ticked = rigged.notes("ticked")
    assert len(set(ticked)) == len(ticked), "and each ran once: no worker was killed"
