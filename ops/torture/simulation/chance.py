"""What a run is made of beside the code: a seed, and a clock that only the simulation moves."""

import random

from ingest.store.dialect import Clock

#: When every simulation begins (ms).
BEGIN = 1_700_000_000_000


class Time:
    """The clock on the wall, which may jump, and that of leases, which may not. In ms."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Go back to the beginning."""
        self.wall = BEGIN
        self.lease = 1_000_000

    def go_on(self, milliseconds: int) -> None:
        """Let time pass, on both clocks."""
        self.wall += milliseconds
        self.lease += milliseconds

    def jump(self, milliseconds: int) -> None:
        """Set the clock on the wall, forwards or back, as an administrator or NTP would."""
        self.wall += milliseconds

    def clock(self) -> Clock:
        """Return it as the database asks for it."""
        return Clock(lambda: self.wall, lambda: self.lease, lambda: "simulated")


class Chance(random.Random):
    """All that is left to chance, from one seed."""

    def happens(self, probability: float) -> bool:
        """Whether something happens this time."""
        return self.random() < probability
