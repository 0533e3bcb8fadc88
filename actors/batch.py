"""The deliveries of one message that this worker holds, and what became of each so far.

The claims middleware makes a batch before the actor runs and records it afterwards; in between
the actor, on its thread or on the event loop, adds results as they come, and may have them
recorded. Whatever it does not finish, the middleware accounts for.
"""

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from ingest.events import AttemptOutcome, AttemptResult, Claimed
from ingest.failpoints import reached


def now_ms() -> int:
    """Read the clock: milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def reading_on(moment: int) -> Callable[[], int]:
    """Make a clock by which it was ``moment`` (ms) just now.

    For times that are stored: a claim says the database's, which all workers share. A host's own
    may be an hour off, and a delivery that failed would come back too soon, too late or never.
    """
    began = time.monotonic_ns()
    return lambda: moment + (time.monotonic_ns() - began) // 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished attempt, and when its own work began and ended (ms, the database's clock)."""

    claimed: Claimed
    result: AttemptResult
    started_at: int
    finished_at: int


class Batch:
    """Deliveries of one destination that were claimed together, with room for their outcomes.

    ``record`` writes outcomes down, once each; the actor's thread calls it.
    """

    def __init__(
        self, claimed: Sequence[Claimed], record: Callable[[Sequence[Outcome]], None]
    ) -> None:
        self.claimed = tuple(claimed)
        self._now = reading_on(self.claimed[0].started_at)  # they were claimed together
        self._record = record
        self._recorded: set[str] = set()
        self._started: dict[str, int] = {}
        self._finished: dict[str, Outcome] = {}

    def start(self, claimed: Claimed) -> None:
        """Note that work on a delivery begins now."""
        reached("effect.before")
        self._started[claimed.delivery_id] = self._now()

    def finish(self, claimed: Claimed, result: AttemptResult) -> None:
        """Note what a delivery came to."""
        reached("effect.after")
        now = self._now()
        started_at = self._started.get(claimed.delivery_id, claimed.started_at)
        self._finished[claimed.delivery_id] = Outcome(claimed, result, started_at, now)

    def record_finished(self) -> None:
        """Write down what is finished and was not written down before."""
        outcomes = self._unrecorded()
        if outcomes:
            self._record(outcomes)
            self._recorded.update(outcome.claimed.delivery_id for outcome in outcomes)

    def outcomes(self, leftover: AttemptResult) -> list[Outcome]:
        """Return what is left to record; work that did not end has ``leftover`` as its result."""
        for claimed in self.claimed:
            began = claimed.delivery_id in self._started
            if began and claimed.delivery_id not in self._finished:
                self.finish(claimed, leftover)
        return self._unrecorded()

    def held(self) -> list[str]:
        """Return the deliveries whose end was not recorded on the way."""
        return [one.delivery_id for one in self.claimed if one.delivery_id not in self._recorded]

    def untouched(self) -> list[Claimed]:
        """Return the deliveries that nobody began to work on."""
        known = self._started.keys() | self._finished.keys()
        return [claimed for claimed in self.claimed if claimed.delivery_id not in known]

    def _unrecorded(self) -> list[Outcome]:
        finished = list(self._finished.values())  # in one go: the event loop may be adding
        return [one for one in finished if one.claimed.delivery_id not in self._recorded]


#: The batch of the message that this worker thread is processing.
CURRENT: ContextVar[Batch | None] = ContextVar("batch", default=None)

#: Work that ended without saying how, though its process lives: an interrupt, or a fault of ours.
UNFINISHED = AttemptResult(
    AttemptOutcome.RETRYABLE, "unfinished", "The worker stopped before this attempt was finished."
)
