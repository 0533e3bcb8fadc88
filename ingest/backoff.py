"""When to try again: exponential back-off with full jitter inside a span of time. Pure.

Full jitter spreads a destination's retries over the whole interval, so that everything that
failed together does not return together (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
The schedule ends with a span, not only with a count: an outage is counted in days, and a count
means another length of time for every policy (research/jobs.md §5.2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

#: No retry comes sooner than this, whatever the jitter says.
FLOOR_MS = 1_000

_MOST_DIGITS = 10  # more seconds than any policy waits, and int() stays fast
_LARGEST_EXPONENT = 40  # 2**40 times any base is past every cap, and still cheap to compute


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often one destination or handler is tried.

    The defaults are the project's schedule: the n-th retry waits up to ``base_ms * 2**n``, never
    more than ``cap_ms``, for ``span_ms`` after the delivery was made; ``attempts`` None means
    that only the span ends it.
    """

    base_ms: int = 5_000
    cap_ms: int = 6 * 3_600_000
    span_ms: int = 3 * 86_400_000
    attempts: int | None = None


def next_try(
    policy: RetryPolicy,
    *,
    attempts: int,
    first_at: int,
    now: int,
    random: Callable[[], float],
    retry_after_ms: int | None = None,
) -> int | None:
    """Choose the time (ms) of the next try, or None when the policy is exhausted.

    ``attempts`` counts the tries that have failed, the latest included (1 or more); ``first_at``
    is when the delivery was made; ``random`` returns numbers from [0, 1). A Retry-After is never
    undercut, but capped like every wait. The last try is moved forward to the end of the span,
    so a destination that comes back within the span is always found.
    """
    ends_at = first_at + policy.span_ms
    spent = policy.attempts is not None and attempts >= policy.attempts
    if spent or now >= ends_at:
        return None
    ceiling = min(policy.cap_ms, policy.base_ms * 2 ** min(attempts - 1, _LARGEST_EXPONENT))
    wanted = min(retry_after_ms or 0, policy.cap_ms)
    wait_ms = max(FLOOR_MS, wanted, int(random() * ceiling))
    return min(now + wait_ms, ends_at)


def retry_after_ms(value: str | None, now: int) -> int | None:
    """Read a Retry-After header: seconds or an HTTP date (RFC 9110 §10.2.3), as a wait in ms.

    None for anything else; a date in the past is no wait. The caller's policy caps it.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:_MOST_DIGITS]) * 1_000
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp() * 1_000) - now)
    except (ValueError, OverflowError):
        return None
