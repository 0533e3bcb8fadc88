"""What a poisonous event makes its handler do, and how it must be given up for that. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ops.torture.written import LOSSES_TO_QUARANTINE, Delivery

#: How often the handler of a trial (handlers.py) is tried.
TRIES = 3
#: As in ingest/lifecycle.py, of which nothing is believed here.
CRASHES_TO_QUARANTINE = 3


@dataclass(frozen=True, slots=True)
class End:
    """How a poison is given up: in which state, and where it can say so, after how many tries."""

    state: str
    tries: int | None = None


_CRASHED = End("quarantined")
#: A thread that hangs in C cannot be interrupted: its worker ends itself, and alone in a child it
#: is killed at its limit.
MISDEEDS: Mapping[str, End] = {
    "raise": End("dead", TRIES),
    "permanent": End("dead", 1),
    "hang": _CRASHED,
    "memory": _CRASHED,
    "exit": _CRASHED,
    "segfault": _CRASHED,
    "gil": _CRASHED,
}


def mistakes(delivery: Delivery, misdeed: str) -> list[str]:
    """Say what is wrong with how a poison was given up: the state, or too few or many starts.

    A start that was lost with its worker is bounded apart: others may have killed that.
    """
    end, tries = MISDEEDS[misdeed], delivery.failures - delivery.crashes
    found = [] if delivery.state == end.state else [f"{delivery.state} and not {end.state}"]
    if end.tries is not None and tries != end.tries:
        found.append(f"tried {tries} times and not {end.tries}")
    if end is _CRASHED and delivery.crashes < CRASHES_TO_QUARANTINE:
        found.append(f"given up after {delivery.crashes} crashes")
    if delivery.own_crashes > CRASHES_TO_QUARANTINE or delivery.crashes > LOSSES_TO_QUARANTINE:
        found.append(f"{delivery.crashes} crashes, {delivery.own_crashes} of them alone")
    return found
