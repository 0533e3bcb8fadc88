"""How far a pipeline is behind, seen from outside all the time: during a load and after it."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from ops.bench.backlog import reading

#: Each look is a query of the database that is under load: often enough to see a second.
_EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Lag:
    """The age in seconds of the oldest event that was not handled at a moment (monotonic clock)."""

    at: float
    seconds: float


@contextmanager
def watching(database_url: str) -> Iterator[list[Lag]]:
    """Look at the lag until the block ends; the list grows meanwhile.

    Raises at the end whatever went wrong in the thread that looks.
    """
    found: list[Lag] = []
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(_look, database_url, found, ended)
        try:
            yield found
        finally:
            ended.set()
        looking.result()


def recovery_seconds(lags: Sequence[Lag], end: float, limit: float) -> float:
    """Return how long after ``end`` the lag was at or above a limit for the last time.

    It counts to the next look, which found it small; 0 where it was small before ``end`` already.
    Endless where the last look found it large, or where there was none after ``end``.
    """
    if not lags or lags[-1].at < end or lags[-1].seconds >= limit:
        return math.inf
    small_from = lags[-1].at
    for lag in reversed(lags):
        if lag.seconds >= limit:
            break
        small_from = lag.at
    return max(0.0, small_from - end)


def _look(database_url: str, found: list[Lag], ended: threading.Event) -> None:
    with reading(database_url) as backlog:
        while True:
            last = ended.is_set()  # one look more, after the end
            found.append(Lag(time.monotonic(), backlog.lag_seconds()))
            if last:
                return
            ended.wait(_EVERY_SECONDS)
