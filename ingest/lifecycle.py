"""What becomes of a delivery after one attempt: the delivery's state machine. Pure.

``running -> succeeded | waiting (retry) | dead | quarantined`` (design.md, State machines). The
decision is made here and nowhere else; the store only writes it, fenced by the claim.
"""

from collections.abc import Callable

from ingest.backoff import RetryPolicy, next_try
from ingest.events import AttemptOutcome, AttemptResult, Claimed, DeliveryState, Settled

#: Starts without an outcome after which a delivery is quarantined (design.md, Poison).
CRASHES_TO_QUARANTINE = 3

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
