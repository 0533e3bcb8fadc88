"""What this process is claiming or working on, so that no two threads take one delivery or job.

The database tells processes apart, not their threads. It matters when the outcome of a claim is
unknown: what is then given back must not be what another thread holds. Thread-safe, no I/O.
"""

import threading
from collections.abc import Iterable, Sequence


class Holding:
    """A set of ids with an owner each: whoever took it last and has not dropped it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def take(self, ids: Sequence[str]) -> list[str]:
        """Take those that nobody here holds, in their order."""
        with self._lock:
            free = [id_ for id_ in dict.fromkeys(ids) if id_ not in self._ids]
            self._ids.update(free)
        return free

    def drop(self, ids: Iterable[str]) -> None:
        """Let others have them again."""
        with self._lock:
            self._ids.difference_update(ids)
