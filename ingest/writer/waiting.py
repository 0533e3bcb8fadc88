"""The senders who wait for an answer of the writer, in the order of what was sent to it.

Answers have no names, only that order; so an entry stays until its answer comes, even where its
sender has been told already that it took too long.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable

from ingest.errors import StoreUnavailable
from ingest.writer.room import Room
from ingest.writer.wire import Outcome

Done = Callable[[Outcome], None]

#: Entries, and bytes of their bodies. At some 5,000 commits a second more than this would wait
#: longer than a sender should.
WAITING_EVENTS = 2_048
WAITING_BYTES = 256_000_000

# Shares of the time-out.
_LATE_SHARE = 1 / 3  # an answer that took longer came late, and makes the room smaller
_HOPELESS_SHARE = 0.5  # what the oldest must have left for others to be let in

_SWEEP_SECONDS = 0.05


class _Entry:
    __slots__ = ("deadline", "done", "since", "size")

    def __init__(self, size: int, since: float, deadline: float, done: Done) -> None:
        self.size = size
        self.since = since
        self.deadline = deadline
        self.done: Done | None = done  # None: its sender has been told

    def tell(self, outcome: Outcome) -> None:
        done, self.done = self.done, None
        if done is not None:
            done(outcome)


class Waiting:
    """``timeout_seconds``: from when it is added until its sender is told to come again."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._room = Room(WAITING_EVENTS, timeout_seconds * _LATE_SHARE)
        self._sweeping = False

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def full(self) -> bool:
        """Whether so much waits, or for so long, that one more would wait in vain.

        Under an overload most are turned away at once then, not after they have timed out.
        """
        if len(self._entries) >= self._room.events or self._bytes >= WAITING_BYTES:
            return True
        if not self._entries:
            return False
        left = self._entries[0].deadline - time.monotonic()
        return left < self._timeout_seconds * _HOPELESS_SHARE

    def add(self, size: int, done: Done) -> float:
        """Have ``done`` told, once, what becomes of a body of ``size`` bytes.

        Returns until when it waits (monotonic seconds).
        """
        now = time.monotonic()
        entry = _Entry(size, now, now + self._timeout_seconds, done)
        self._entries.append(entry)
        self._bytes += size
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        return entry.deadline

    def answer(self, outcomes: Iterable[Outcome]) -> None:
        """Tell the oldest what became of them."""
        if self._entries:
            now = time.monotonic()
            self._room.learn(now - self._entries[0].since, now)
        for outcome in outcomes:
            self._take_out().tell(outcome)

    def disappoint(self, why: str) -> None:
        """Tell everyone that there will be no answer."""
        while self._entries:
            self._take_out().tell(StoreUnavailable(why))

    def _take_out(self) -> _Entry:
        entry = self._entries.popleft()
        self._bytes -= entry.size
        return entry

    def _sweep(self) -> None:
        """Send away who has waited too long; deadlines are in the order of arrival."""
        now = time.monotonic()
        for entry in self._entries:
            if entry.deadline > now:
                break
            entry.tell(StoreUnavailable("The database did not commit in time."))
        self._sweeping = bool(self._entries)
        if self._sweeping:
            asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
