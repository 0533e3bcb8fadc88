"""One destination never holds every worker thread of a process.

What comes for a destination that has its share of the threads is parked: its ids stay in memory,
bounded, and go back to the queue when one of those threads is done. Losing them costs nothing but
time, for the rows still wait in the database with a wake time. Thread-safe, no I/O.
"""

import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Sequence

from ingest.events import DeliveryRef
from ingest.queue import DELIVERIES_A_MESSAGE

PARKED_LIMIT = 2_000  # ids a destination
_SHARE = 4  # a destination may hold one thread in four


class Bulkhead:
    """Counts the threads that each destination holds; ``threads`` are the process's."""

    def __init__(self, threads: int) -> None:
        self._most = max(1, threads // _SHARE)
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._parked: defaultdict[str, OrderedDict[str, DeliveryRef]] = defaultdict(OrderedDict)

    def enter(self, destination: str, refs: Sequence[DeliveryRef]) -> bool:
        """Take a thread for ``destination``, or park ``refs`` and return False."""
        with self._lock:
            if self._held[destination] < self._most:
                self._held[destination] += 1
                return True
            parked = self._parked[destination]
            for ref in refs:
                if len(parked) < PARKED_LIMIT:
                    parked.setdefault(ref.id, ref)
            return False

    def leave(self, destination: str) -> list[DeliveryRef]:
        """Give the thread back; return what to publish now: a message's worth, or all at last."""
        with self._lock:
            self._held[destination] -= 1
            parked = self._parked[destination]
            last = self._held[destination] == 0
            count = len(parked) if last else DELIVERIES_A_MESSAGE
            refs = [parked.popitem(last=False)[1] for _ in range(min(count, len(parked)))]
            if last:
                del self._held[destination], self._parked[destination]
            return refs
