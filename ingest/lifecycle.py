"""What becomes of a delivery or a job after one attempt: their state machines. Pure.

``running -> succeeded | waiting (retry) | dead | quarantined``, and ``started -> success | failure
| revoked | pending (retry)`` (design.md, State machines). The decision is made here and nowhere
else; the store only writes it, fenced by the claim.
"""

from collections.abc import Callable
from dataclasses import replace

from ingest.backoff import RetryPolicy, next_try
from ingest.events import AttemptOutcome, AttemptResult, Claimed, DeliveryState, Settled
from ingest.jobs.states import ClaimedJob, JobOutcome, JobResult, JobState, SettledJob

#: Starts without an outcome of which the last, if it ended its own child, quarantines a delivery or
#: a job (design.md, Poison).
CRASHES_TO_QUARANTINE = 3

#: As many if its worker was lost: a suspect runs alone in a child, so it did not kill its worker,
#: and whoever did strikes innocents, too. Bounded all the same, because what eats a whole machine's
#: memory kills parents, too.
LOSSES_TO_QUARANTINE = 10

#: A crash in a child says nothing about load, so it is tried again soon, not backed off.
CRASH_WAIT_MS = 1_000


def settle(
    claimed: Claimed,
    result: AttemptResult,
    policy: RetryPolicy,
    now: int,
    random: Callable[[], float],
    *,
    started_at: int | None = None,
) -> Settled:
    """Decide the next state of ``claimed`` after ``result``, which came to be known at ``now``.

    ``started_at`` is when this delivery's own work began, where that is later than its claim.
    The retry span is measured from the delivery's own creation, so a replay has a fresh one.
    """
    state, wake_at = _next_state(claimed, result, policy, now, random)
    return Settled(
        delivery_id=claimed.delivery_id,
        starts=claimed.starts,
        state=state,
        wake_at=wake_at,
        result=result,
        started_at=claimed.started_at if started_at is None else started_at,
        finished_at=now,
    )


def _next_state(
    claimed: Claimed,
    result: AttemptResult,
    policy: RetryPolicy,
    now: int,
    random: Callable[[], float],
) -> tuple[DeliveryState, int | None]:
    match result.outcome:
        case AttemptOutcome.SUCCEEDED:
            return DeliveryState.SUCCEEDED, None
        case AttemptOutcome.PERMANENT:
            return DeliveryState.DEAD, None
        case AttemptOutcome.CRASHED:
            if claimed.crashes + 1 >= CRASHES_TO_QUARANTINE:
                return DeliveryState.QUARANTINED, None
            return DeliveryState.WAITING, now + CRASH_WAIT_MS
        case AttemptOutcome.RETRYABLE | AttemptOutcome.TIMED_OUT:
            wake_at = next_try(
                policy,
                attempts=claimed.attempts + 1,
                first_at=claimed.created_at,
                now=now,
                random=random,
                retry_after_ms=result.retry_after_ms,
            )
            return (DeliveryState.DEAD if wake_at is None else DeliveryState.WAITING), wake_at


def settle_job(
    claimed: ClaimedJob,
    result: JobResult,
    policy: RetryPolicy,
    now: int,
    random: Callable[[], float],
) -> SettledJob:
    """Decide the next state of a job after ``result``, which came to be known at ``now``.

    Retries are counted, and their span begins anew with each: a callback may have been made days
    before it could start.
    """
    if result.outcome is JobOutcome.CRASHED:
        again_at = now + CRASH_WAIT_MS
        one = SettledJob(claimed.id, claimed.starts, JobState.PENDING, again_at, result, now)
        return _unless_poison(one, claimed.crashes + 1, CRASHES_TO_QUARANTINE)
    state, wake_at = _next_job_state(claimed, result, policy, now, random)
    return SettledJob(claimed.id, claimed.starts, state, wake_at, result, now)


def settle_loss(job_id: str, starts: int, crashes: int, result: JobResult, now: int) -> SettledJob:
    """Decide the next state of a job whose worker was lost, after ``crashes`` earlier ones."""
    one = SettledJob(job_id, starts, JobState.PENDING, now, result, now)
    return _unless_poison(one, crashes + 1, LOSSES_TO_QUARANTINE)


def _unless_poison(again: SettledJob, crashes: int, to_quarantine: int) -> SettledJob:
    """Let a job that crashed so many times by now not start again, where these are too many."""
    if crashes < to_quarantine:
        return again
    message = f"{crashes} of its starts crashed. {again.result.message}"
    result = replace(again.result, code="quarantined", message=message)
    return replace(again, state=JobState.FAILURE, wake_at=None, result=result)


def _next_job_state(
    claimed: ClaimedJob,
    result: JobResult,
    policy: RetryPolicy,
    now: int,
    random: Callable[[], float],
) -> tuple[JobState, int | None]:
    match result.outcome:
        case JobOutcome.SUCCEEDED:
            return JobState.SUCCESS, None
        case JobOutcome.CANCELLED:
            return JobState.REVOKED, None
        case JobOutcome.PAUSED:
            return JobState.PENDING, now + result.rest_ms
        case JobOutcome.RETRYABLE | JobOutcome.TIMED_OUT:
            tries = claimed.attempts + 1
            wake_at = next_try(policy, attempts=tries, first_at=now, now=now, random=random)
            return (JobState.FAILURE if wake_at is None else JobState.PENDING), wake_at
        case _:
            return JobState.FAILURE, None
