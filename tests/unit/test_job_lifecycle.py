"""What becomes of a job after a start: tried again, ended, paused or quarantined. Pure."""

import pytest

from ingest.jobs.specs import retry_policy
from ingest.jobs.states import ClaimedJob, JobOutcome, JobResult, JobState, SettledJob
from ingest.lifecycle import LOSSES_TO_QUARANTINE, settle_job, settle_loss

NOW = 1_000_000


def settled(
    outcome: JobOutcome,
    *,
    attempts: int = 0,
    crashes: int = 0,
    retries: int = 3,
    random: float = 0.5,
    rest_ms: int = 0,
) -> SettledJob:
    claimed = ClaimedJob(
        id="1",
        kind="resize",
        queue="jobs",
        arguments="{}",
        results=(),
        starts=attempts + crashes + 1,
        attempts=attempts,
        crashes=crashes,
        created_at=0,
        started_at=NOW - 5,
        waited_ms=0,
        trace_id="",
    )
    result = JobResult(outcome, "code", "message", rest_ms=rest_ms)
    return settle_job(claimed, result, retry_policy(retries), NOW, lambda: random)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (JobOutcome.SUCCEEDED, JobState.SUCCESS),
        (JobOutcome.PERMANENT, JobState.FAILURE),
        (JobOutcome.CANCELLED, JobState.REVOKED),
    ],
)
def test_an_end_is_an_end(outcome: JobOutcome, state: JobState) -> None:
    found = settled(outcome)
    assert (found.state, found.wake_at, found.starts) == (state, None, 1)


@pytest.mark.parametrize("outcome", [JobOutcome.RETRYABLE, JobOutcome.TIMED_OUT])
def test_retries_are_counted_and_then_it_is_over(outcome: JobOutcome) -> None:
    states = [settled(outcome, attempts=tries, retries=2).state for tries in range(4)]
    assert states == [*("pending", "pending", "failure", "failure")]


def test_the_waits_double_with_full_jitter_up_to_a_cap() -> None:
    def wait(attempts: int, random: float) -> int:
        outcome = JobOutcome.RETRYABLE
        found = settled(outcome, attempts=attempts, retries=99, random=random)
        assert found.wake_at is not None
        return found.wake_at - NOW

    assert [wait(tries, 1.0) for tries in range(4)] == [2_000, 4_000, 8_000, 16_000]
    assert wait(50, 1.0) == 600_000
    assert wait(50, 0.0) == 1_000
    assert wait(50, 0.25) == 150_000


def test_a_paused_job_has_not_used_up_a_try() -> None:
    found = settled(JobOutcome.PAUSED, attempts=99)
    assert (found.state, found.wake_at) == (JobState.PENDING, NOW)


def test_a_job_that_rests_starts_again_after_that() -> None:
    found = settled(JobOutcome.PAUSED, rest_ms=30_000)
    assert (found.state, found.wake_at) == (JobState.PENDING, NOW + 30_000)


def test_a_crash_is_tried_again_soon_and_the_third_quarantines() -> None:
    first, second, third = (settled(JobOutcome.CRASHED, crashes=times) for times in range(3))
    assert first.wake_at == second.wake_at == NOW + 1_000
    assert (third.state, third.wake_at) == (JobState.FAILURE, None)
    assert third.result.code == "quarantined"
    assert third.result.message == "3 of its starts crashed. message"


def test_a_lost_worker_is_made_up_for_at_once_and_the_last_quarantines() -> None:
    lost = JobResult(JobOutcome.CRASHED, "worker_lost", "message")
    *again, last = (
        settle_loss("1", times + 1, times, lost, NOW) for times in range(LOSSES_TO_QUARANTINE)
    )
    assert {(one.state, one.wake_at, one.result) for one in again} == {
        (JobState.PENDING, NOW, lost)
    }
    assert (last.state, last.wake_at) == (JobState.FAILURE, None)
    assert (last.starts, last.result.code) == (LOSSES_TO_QUARANTINE, "quarantined")
    assert last.result.message == f"{LOSSES_TO_QUARANTINE} of its starts crashed. message"
