"""Starting a writer process: a fresh interpreter that inherits one socket and nothing else."""

import socket
import subprocess
import sys
from typing import Protocol


class Spawned(Protocol):
    """A writer, as its receiver sees it."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> object:
        """Return when it has ended."""


def spawn(end: socket.socket) -> Spawned:
    """Start ``python -m ingest.writer`` with its end of the socket; ours may be closed then."""
    number = end.fileno()
    return subprocess.Popen(  # noqa: S603 - our own module, no input in it
        [sys.executable, "-m", "ingest.writer", str(number)],
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
    )
