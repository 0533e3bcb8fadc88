"""When a failed delivery is tried again."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.backoff import FLOOR_MS, RetryPolicy, next_try, retry_after_ms

NOW = 1_700_000_000_000
POLICY = RetryPolicy()
ALMOST_ONE = 1 - 2**-53


def always(value: float) -> Callable[[], float]:
    return lambda: value


def wait(attempts: int, chance: float, policy: RetryPolicy = POLICY) -> int:
    at = next_try(policy, attempts=attempts, first_at=NOW, now=NOW, random=always(chance))
    assert at is not None
    return at - NOW


def test_the_longest_possible_wait_doubles_until_its_cap() -> None:
    longest = [wait(attempts, ALMOST_ONE) for attempts in (1, 2, 3, 4, 20)]

    assert longest == [4_999, 9_999, 19_999, 39_999, POLICY.cap_ms - 1]


def test_the_whole_interval_is_used_so_that_failures_do_not_return_together() -> None:
    assert wait(10, 0.25) == wait(10, 0.5) // 2
    assert wait(10, 0.0) == FLOOR_MS


def test_retry_after_is_never_undercut() -> None:
    at = next_try(
        POLICY, attempts=1, first_at=NOW, now=NOW, random=always(0), retry_after_ms=90_000
    )

    assert at == NOW + 90_000


def test_retry_after_is_capped_like_every_wait() -> None:
    a_year = 365 * 86_400_000
    at = next_try(
        POLICY, attempts=1, first_at=NOW, now=NOW, random=always(0), retry_after_ms=a_year
    )

    assert at == NOW + POLICY.cap_ms


def test_the_last_try_is_moved_to_the_end_of_the_span() -> None:
    """A destination that comes back on the third day, after the last wait began, is found."""
    ends_at = NOW + POLICY.span_ms
    at = next_try(POLICY, attempts=30, first_at=NOW, now=ends_at - 5, random=always(ALMOST_ONE))

    assert at == ends_at


def test_after_the_span_there_is_no_further_try() -> None:
    ends_at = NOW + POLICY.span_ms

    assert next_try(POLICY, attempts=2, first_at=NOW, now=ends_at, random=always(0)) is None


def test_a_maximum_of_attempts_ends_the_tries_before_the_span() -> None:
    policy = RetryPolicy(attempts=3)

    assert wait(2, 0.5, policy) > 0
    assert next_try(policy, attempts=3, first_at=NOW, now=NOW, random=always(0)) is None


@given(
    attempts=st.integers(1, 10_000),
    elapsed=st.integers(0, 4 * 86_400_000),
    asked=st.none() | st.integers(0, 10**12),
    seed=st.integers(),
)
def test_every_try_lies_in_the_future_and_inside_the_span(
    attempts: int, elapsed: int, asked: int | None, seed: int
) -> None:
    now, ends_at = NOW + elapsed, NOW + POLICY.span_ms
    at = next_try(
        POLICY,
        attempts=attempts,
        first_at=NOW,
        now=now,
        random=random.Random(seed).random,
        retry_after_ms=asked,
    )

    if now >= ends_at:
        assert at is None
    else:
        assert at is not None
        assert min(now + FLOOR_MS, ends_at) <= at <= min(now + POLICY.cap_ms, ends_at)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120_000),
        (" 0 ", 0),
        ("9" * 5_000, 9_999_999_999_000),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("١٢", None),
        ("1.5", None),
    ],
)
def test_retry_after_in_seconds(value: str | None, expected: int | None) -> None:
    assert retry_after_ms(value, NOW) == expected


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.fromtimestamp(NOW / 1_000 + 60, UTC), usegmt=True)

    assert retry_after_ms(date, NOW) == 60_000
    assert retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", NOW) == 0
