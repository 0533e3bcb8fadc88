"""So many in so long, a burst of as many included: a token bucket. Pure."""

from typing import NamedTuple


class Rate(NamedTuple):
    """``amount`` in ``seconds``: ``Rate(100, 1)`` is "100/s"."""

    amount: int
    seconds: int


class Allowance:
    """What is left of a rate, which begins whole. ``now``: seconds of a clock that goes forward."""

    __slots__ = ("_left", "_seen_at", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._left = float(rate.amount)
        self._seen_at = now

    def take(self, now: float) -> bool:
        """Whether there may be one more."""
        amount, seconds = self.rate
        self._left = min(float(amount), self._left + (now - self._seen_at) * amount / seconds)
        self._seen_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def wait_seconds(self) -> float:
        """How long after the last look there will be one; 0 where there is."""
        return max(0.0, (1 - self._left) * self.rate.seconds / self.rate.amount)
