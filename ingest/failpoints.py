"""Named moments at which a process can be made to die: how tests strike between two steps.

Off unless HOOKKEEPER_FAILPOINTS is set when the process starts: then reaching a moment costs one
comparison with None. ``writer.after_commit=kill@3 writer.before_publish=kill@40`` means SIGKILL, by
the process to itself, at the third and the fortieth time that it comes there.
"""

import os
import re
import signal
import threading

VARIABLE = "HOOKKEEPER_FAILPOINTS"
#: Every moment there is, in the order of an event's way.
NAMES = (
    "writer.before_commit",
    "writer.after_commit",
    "writer.before_publish",
    "writer.after_publish",
    "dispatch.before_commit",
    "dispatch.after_commit",
    "dispatch.after_publish",
    "claim.after_commit",
    "effect.before",
    "effect.after",
    "record.before_commit",
    "record.after_commit",
    "scheduler.before_wake",
    "scheduler.after_wake",
    "scheduler.after_publish",
    "scheduler.after_free",
)
_SETTING = re.compile(r"(?P<name>[a-z._]+)=kill@(?P<count>[1-9][0-9]*)")


def reached(name: str) -> None:
    """Say that the process is here now; it may not live on."""
    if _armed is not None:
        _armed.reach(name)


class Armed:
    """How often each moment may still be reached. Raises ValueError for what is not one."""

    def __init__(self, text: str) -> None:
        self._left: dict[str, int] = {}
        self._lock = threading.Lock()
        for word in text.split():
            match = _SETTING.fullmatch(word)
            if match is None or match["name"] not in NAMES:
                raise ValueError(f"{VARIABLE}: {word!r} is not NAME=kill@COUNT of a known name")
            self._left[match["name"]] = int(match["count"])

    def reach(self, name: str) -> None:
        """Count; the process ends where the count is used up."""
        with self._lock:
            self._left[name] = self._left.get(name, 0) - 1
            if self._left[name] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()  # the signal may need a moment; nothing more may happen


def _from(text: str | None) -> Armed | None:
    return Armed(text) if text else None


# Read once, when the process starts: that keeps every moment free of cost where it is not set.
_armed = _from(os.environ.get(VARIABLE))
