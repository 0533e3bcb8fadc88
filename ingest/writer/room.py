"""How many arrivals may wait for their commit: fewer while answers come late. Pure.

Additive increase, multiplicative decrease, as TCP finds its share of a line (RFC 5681 §3.1). A
burst finds all the room there is. Under a lasting overload the room shrinks to what is answered in
time; otherwise all would be let in, wait, and be told to come again.
"""

_FEWEST = 64
_STEP = 4


class Room:
    """``events``: how many may wait now. ``late_seconds``: a wait that is too long."""

    def __init__(self, most: int, late_seconds: float) -> None:
        self.events = most
        self._most = most
        self._late_seconds = late_seconds
        self._shrunk_at = float("-inf")

    def learn(self, waited_seconds: float, now: float) -> None:
        """Take in how long an arrival waited whose answer came at ``now`` (seconds).

        What was let in before the room shrank still comes late; it shrinks once for all of that.
        """
        if waited_seconds <= self._late_seconds:
            self.events = min(self._most, self.events + _STEP)
        elif now - waited_seconds >= self._shrunk_at:
            self.events = max(_FEWEST, self.events * 3 // 4)
            self._shrunk_at = now
