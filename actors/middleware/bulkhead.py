"""One destination never holds every worker thread of a process, nor do all jobs together.

What comes for a destination that has its share of the threads waits a moment, as long as that
destination gets on: its threads are free again within milliseconds. Otherwise it is parked: its
ids stay in memory, bounded, and go back to the queue when one of those threads is done. Losing
them costs nothing but time, for the rows still wait in the database with a wake time; but a
backlog that was lost is published twice, so what is quick is not parked (measured: a third of the
drain rate). Thread-safe, no I/O.
"""

import threading
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Generic, TypeVar

from ingest.events import DeliveryRef
from ingest.jobs.states import JobRef
from ingest.queue import DELIVERIES_A_MESSAGE

Ref = TypeVar("Ref", DeliveryRef, JobRef)

PARKED_LIMIT = 2_000  # ids a destination
PATIENCE_SECONDS = 0.2
_SHARE = 4  # a destination may hold one thread in four,
#: and this many in any case where others are left: with one, two suspects that hung one after the
#: other made what waited behind them start 34 s after the death they shared (ops/torture).
_LEAST = 2
_STILL_SECONDS = 1.0  # nothing began or ended for a destination for so long: it is slow, or hangs


class Bulkhead(Generic[Ref]):
    """Counts the threads that each destination holds; ``threads`` are the process's."""

    def __init__(self, threads: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._most = max(1, min(_LEAST, threads - 1), threads // _SHARE)
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._changed_at: dict[str, float] = {}
        self._held: Counter[str] = Counter()
        self._parked: defaultdict[str, OrderedDict[str, Ref]] = defaultdict(OrderedDict)

    def enter(self, destination: str, refs: Sequence[Ref]) -> bool:
        """Take a thread for ``destination``, or park ``refs`` and return False."""
        with self._changed:
            if self._has_room(destination) or self._gets_room(destination):
                self._held[destination] += 1
                self._changed_at[destination] = time.monotonic()
                return True
            parked = self._parked[destination]
            for ref in refs:
                if len(parked) < PARKED_LIMIT:
                    parked.setdefault(ref.id, ref)
            return False

    def leave(self, destination: str) -> list[Ref]:
        """Give the thread back; return what to publish now: a message's worth, or all at last."""
        with self._changed:
            self._held[destination] -= 1
            if not self._held[destination]:
                del self._held[destination]
            self._changed_at[destination] = time.monotonic()
            self._changed.notify_all()
            return self._released(destination)

    def _released(self, destination: str) -> list[Ref]:
        last = destination not in self._held
        return self._taken(destination, PARKED_LIMIT if last else DELIVERIES_A_MESSAGE)

    def _taken(self, destination: str, most: int) -> list[Ref]:
        """Take so many of what is parked for a destination, the longest waiting first."""
        parked = self._parked[destination]
        refs = [parked.popitem(last=False)[1] for _ in range(min(most, len(parked)))]
        if not parked:
            del self._parked[destination]
        return refs

    def _has_room(self, destination: str) -> bool:
        return self._held[destination] < self._most

    def _gets_room(self, destination: str) -> bool:
        """Wait for one of the destination's threads, if that is worth it."""
        if time.monotonic() - self._changed_at[destination] > _STILL_SECONDS:
            return False
        return self._changed.wait_for(
            lambda: self._has_room(destination), timeout=self._patience_seconds
        )


class JobBulkhead(Bulkhead[JobRef]):
    """The same for kinds of jobs, which together hold half of the threads, at least one.

    Jobs take long, and there may be more kinds than shares: events, deliveries and messages have
    the other half for themselves. A thread that waits for a kind counts as one that jobs hold.
    """

    def __init__(self, threads: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        super().__init__(threads, patience_seconds)
        self._most = max(1, threads // _SHARE)
        self._most_together = max(1, threads // 2)
        self._waiting = 0

    def _has_room(self, kind: str) -> bool:
        return self._free() > 0 and super()._has_room(kind)

    def _gets_room(self, kind: str) -> bool:
        if self._free() <= self._waiting:
            return False
        self._waiting += 1
        try:
            return super()._gets_room(kind)
        finally:
            self._waiting -= 1

    def _released(self, _kind: str) -> list[JobRef]:
        """Release as many as can start now, first of the kinds that hold the fewest threads.

        A message is one job, and what comes back in vain only costs. Whatever else takes what is
        released, the scheduler publishes the rest again.
        """
        if not self._held:
            return [ref for kind in list(self._parked) for ref in self._taken(kind, PARKED_LIMIT)]
        refs: list[JobRef] = []
        for kind in sorted(self._parked, key=lambda one: self._held[one]):
            room = min(self._free() - len(refs), self._most - self._held[kind])
            refs += self._taken(kind, max(0, room))
        return refs

    def _free(self) -> int:
        return self._most_together - self._held.total()
