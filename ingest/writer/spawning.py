"""Starting a writer process: a fresh interpreter that inherits one socket and nothing else."""

import socket
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol


class Spawned(Protocol):
    """A writer, as its receiver sees it."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> object:
        """Return when it has ended."""


class Started(NamedTuple):
    """A writer that waits for its orders; ``end``: our end of its socket, not blocking."""

    process: Spawned
    end: socket.socket


def start(process: Callable[[socket.socket], Spawned]) -> Started:
    """Start a writer, given the way to; it ends when our end is closed. Raises OSError."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        with theirs:
            return Started(process(theirs), ours)
    except OSError:
        ours.close()
        raise


def spawn(end: socket.socket) -> Spawned:
    """Start ``python -m ingest.writer`` with its end of the socket; ours may be closed then."""
    number = end.fileno()
    return subprocess.Popen(  # noqa: S603 - our own module, no input in it
        [sys.executable, "-m", "ingest.writer", str(number)],
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
    )
