"""When something happened is said by the database's clock: a worker's host may have another."""

import time
from dataclasses import replace

import pytest

from actors.batch import UNFINISHED, Batch, Outcome
from actors.held_job import HeldJob
from ingest.jobs.states import ClaimedJob
from tests.unit.test_lifecycle import CLAIMED

#: By the database's clock, when the work was claimed: any host's clock is decades ahead of it.
CLAIMED_AT = 5_000
A_MINUTE = 60_000


def ignore(_outcomes: object) -> None:
    """Nothing is written down."""


def finished(batch: Batch) -> Outcome:
    (claimed,) = batch.claimed
    batch.start(claimed)
    batch.finish(claimed, UNFINISHED)
    (outcome,) = batch.outcomes(UNFINISHED)
    return outcome


def test_an_attempt_began_and_ended_by_the_clock_that_claimed_it() -> None:
    outcome = finished(Batch([replace(CLAIMED, started_at=CLAIMED_AT)], ignore))

    assert CLAIMED_AT <= outcome.started_at <= outcome.finished_at < CLAIMED_AT + A_MINUTE


def test_that_clock_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch([replace(CLAIMED, started_at=CLAIMED_AT)], ignore)
    real, hour_ns = time.monotonic_ns, 3_600 * 10**9
    monkeypatch.setattr(time, "monotonic_ns", lambda: real() + hour_ns)

    assert 3_600_000 <= finished(batch).finished_at - CLAIMED_AT < 3_600_000 + A_MINUTE


def test_a_jobs_clock_is_the_databases_too() -> None:
    job = ClaimedJob(
        id="1",
        kind="resize",
        queue="jobs",
        arguments="{}",
        results=(),
        starts=1,
        attempts=0,
        crashes=0,
        created_at=0,
        started_at=CLAIMED_AT,
        waited_ms=0,
        trace_id="",
    )

    assert CLAIMED_AT <= HeldJob(job).now() < CLAIMED_AT + A_MINUTE
