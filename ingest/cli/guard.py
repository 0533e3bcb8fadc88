"""Ends the supervisor's processes when the supervisor itself is gone, SIGKILL included.

Run as a script, on the standard library alone: it must stay small and outlive everything.
stdin is a pipe whose other end only the supervisor holds: ``+PID`` and ``-PID`` lines say which
process groups live; its end of file says that the supervisor died. The supervisor's lock is
inherited, so no new one starts in the folder before this one is done.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def follow() -> set[int]:
    """Read the pipe to its end; the process groups that were alive then."""
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line[0] == "+":
            groups.add(number)
        else:
            groups.discard(number)
    return groups


def end(groups: set[int], grace_seconds: float) -> None:
    """SIGTERM each group's leader, and SIGKILL whatever is left after the grace."""
    for group in groups:
        # Only the leader: a worker's children get theirs from it, and a second one aborts them.
        with contextlib.suppress(ProcessLookupError):
            os.kill(group, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while any(map(alive, groups)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Wait for the supervisor's end, then end what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(follow(), GRACE_SECONDS)


if __name__ == "__main__":
    main()
