"""Waiting for a condition, and for a moment that the plan names."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NeverCame(Exception):
    """A condition did not come in its time."""


def wait_until(
    condition: Callable[[], T], seconds: float, what: str, pause_seconds: float = 0.05
) -> T:
    """Return the condition's first truthy value. Raises NeverCame after so many seconds."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise NeverCame(f"waited {seconds:g} s in vain for {what}")
        pause.wait(pause_seconds)
    return value


def rest(seconds: float) -> None:
    """Let so much time pass."""
    threading.Event().wait(max(0.0, seconds))
