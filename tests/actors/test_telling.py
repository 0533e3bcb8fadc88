"""One job's progress, however bad, takes nothing from the other jobs of its process."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from actors.telling import StoreDesk, Teller
from ingest.jobs.context import JobContext
from ingest.jobs.states import ClaimedJob, Progress
from ingest.store import jobs
from tests.actors.rig import Rig
from tests.store.job_making import held, made_one, row
from tests.store.making import a_worker
from tests.waiting import wait_until

#: What no column holds. ``progress()`` refuses it; a job may still write it where it looks.
UNFIT = Progress(done=2**70)


@pytest.fixture
def claims(rig: Rig) -> list[ClaimedJob]:
    """Two jobs of one worker."""
    return held(rig.database, a_worker(rig.database), *(made_one(rig.database) for _ in range(2)))


@pytest.fixture
def contexts(rig: Rig, claims: list[ClaimedJob]) -> Iterator[list[JobContext]]:
    """Theirs, while they run and are looked after."""
    worker = row(rig.database, claims[0].id).worker_id
    assert worker is not None
    teller = Teller(StoreDesk(lambda: (rig.database, worker)), interval_seconds=0.05)
    made = [JobContext(claim.id, claim.kind) for claim in claims]
    teller.start()
    with ExitStack() as running:
        for claim, context in zip(claims, made, strict=True):
            running.enter_context(teller.telling(claim, context))
        yield made
    teller.stop()


def test_a_job_whose_progress_cannot_be_kept_leaves_its_neighbour_its_own(
    rig: Rig, contexts: list[JobContext]
) -> None:
    unfit, fit = contexts
    unfit.told = UNFIT
    fit.progress(3, 10, step="caf\N{LATIN SMALL LETTER E WITH ACUTE}")
    wait_until(lambda: row(rig.database, fit.job_id).progress.done == 3)
    assert row(rig.database, unfit.job_id).progress == Progress()


def test_a_job_whose_progress_cannot_be_kept_hears_orders_and_so_does_its_neighbour(
    rig: Rig, contexts: list[JobContext]
) -> None:
    unfit, fit = contexts
    unfit.told = UNFIT
    fit.progress(3)
    for context in contexts:
        jobs.cancel(rig.database, context.job_id)
    wait_until(lambda: fit.cancelled() and unfit.cancelled())


def test_a_job_whose_last_word_cannot_be_kept_ends_as_it_ended(
    rig: Rig, claims: list[ClaimedJob]
) -> None:
    """Raised there, it would make of a success a failure, and of a child's a crash."""
    worker = row(rig.database, claims[0].id).worker_id
    assert worker is not None
    teller = Teller(StoreDesk(lambda: (rig.database, worker)))
    context = JobContext(claims[0].id)
    with teller.telling(claims[0], context):
        context.told = UNFIT
    assert row(rig.database, claims[0].id).progress == Progress()
