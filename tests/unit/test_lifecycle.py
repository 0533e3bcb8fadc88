"""What becomes of a delivery after an attempt."""

from dataclasses import replace

import pytest

from ingest.backoff import RetryPolicy
from ingest.events import (
    TERMINAL,
    AttemptOutcome,
    AttemptResult,
    Claimed,
    DeliveryState,
    DestinationKind,
    Event,
    Settled,
)
from ingest.lifecycle import CRASH_WAIT_MS, LOSSES_TO_QUARANTINE, settle

NOW = 1_700_000_000_000

EVENT = Event(
    id="018b2f19-e79e-7d5d-9a3b-0d9a4c6a1b11",
    source="github",
    type="push",
    provider_event_id=None,
    received_at=NOW,
    headers=(),
    query="",
    content_type="application/json",
    body=b"{}",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
)
CLAIMED = Claimed(
    delivery_id="018b2f19-e79e-7d5d-9a3b-0d9a4c6a1b12",
    event=EVENT,
    destination="billing",
    kind=DestinationKind.HTTP,
    queue="deliver",
    generation=0,
    starts=1,
    attempts=0,
    crashes=0,
    created_at=NOW,
    started_at=NOW + 10,
    waited_ms=10,
)


def after(
    outcome: AttemptOutcome, claimed: Claimed = CLAIMED, policy: RetryPolicy | None = None
) -> Settled:
    result = AttemptResult(outcome, "http_503", "busy", 503)
    return settle(claimed, result, policy or RetryPolicy(), NOW + 20, lambda: 0.5)


def test_a_success_is_the_end() -> None:
    settled = after(AttemptOutcome.SUCCEEDED)

    assert (settled.state, settled.wake_at) == (DeliveryState.SUCCEEDED, None)


def test_a_permanent_error_is_the_end_at_once() -> None:
    assert after(AttemptOutcome.PERMANENT).state is DeliveryState.DEAD


@pytest.mark.parametrize("outcome", [AttemptOutcome.RETRYABLE, AttemptOutcome.TIMED_OUT])
def test_a_failure_waits_for_its_retry(outcome: AttemptOutcome) -> None:
    settled = after(outcome)

    assert (settled.state, settled.wake_at) == (DeliveryState.WAITING, NOW + 20 + 2_500)


def test_the_wait_grows_with_every_attempt_that_was_recorded() -> None:
    settled = after(AttemptOutcome.RETRYABLE, replace(CLAIMED, attempts=3, starts=4))

    assert settled.wake_at == NOW + 20 + 20_000


def test_the_last_of_its_attempts_makes_it_a_dead_letter() -> None:
    policy = RetryPolicy(attempts=2)
    first = after(AttemptOutcome.RETRYABLE, policy=policy)
    second = after(AttemptOutcome.RETRYABLE, replace(CLAIMED, attempts=1), policy)

    assert (first.state, second.state) == (DeliveryState.WAITING, DeliveryState.DEAD)


def test_a_replay_has_a_fresh_span() -> None:
    """The span runs from the delivery's own creation, however old its event is."""
    old = replace(EVENT, received_at=NOW - 30 * 86_400_000)

    assert after(AttemptOutcome.RETRYABLE, replace(CLAIMED, event=old)).wake_at is not None


def test_two_crashes_are_tried_again_soon_and_the_third_is_quarantined() -> None:
    settled = [
        after(AttemptOutcome.CRASHED, replace(CLAIMED, crashes=before)) for before in range(3)
    ]

    assert [one.state for one in settled] == [
        DeliveryState.WAITING,
        DeliveryState.WAITING,
        DeliveryState.QUARANTINED,
    ]
    assert [one.wake_at for one in settled] == [NOW + 20 + CRASH_WAIT_MS] * 2 + [None]


def test_a_crash_after_many_lost_workers_quarantines_all_the_more() -> None:
    settled = after(AttemptOutcome.CRASHED, replace(CLAIMED, crashes=LOSSES_TO_QUARANTINE - 1))

    assert (settled.state, settled.wake_at) == (DeliveryState.QUARANTINED, None)


def test_crashes_do_not_use_up_attempts() -> None:
    settled = after(AttemptOutcome.CRASHED, policy=RetryPolicy(attempts=1))

    assert settled.state is DeliveryState.WAITING


@pytest.mark.parametrize("outcome", AttemptOutcome)
@pytest.mark.parametrize("crashes", [0, 2])
def test_only_what_waits_has_a_wake_time(outcome: AttemptOutcome, crashes: int) -> None:
    settled = after(outcome, replace(CLAIMED, crashes=crashes))

    assert (settled.state in TERMINAL) == (settled.wake_at is None)


def test_the_attempt_is_handed_on_as_it_was_and_fenced_by_its_start() -> None:
    result = AttemptResult(AttemptOutcome.RETRYABLE, "http_503", "busy", 503)
    settled = settle(CLAIMED, result, RetryPolicy(), NOW + 20, lambda: 0, started_at=NOW + 15)

    assert settled.result is result
    assert (settled.delivery_id, settled.starts) == (CLAIMED.delivery_id, 1)
    assert (settled.started_at, settled.finished_at) == (NOW + 15, NOW + 20)
