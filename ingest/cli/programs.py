"""The commands of a pipeline's own processes, as ``up`` starts them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from socket import socket

from ingest.cli.processes import Command

#: Each longer than the process's own bound (ingest/cli/web.py, worker.py, console.py).
_WEB_STOP_SECONDS = 15.0
_WORKER_STOP_SECONDS = 25.0
_SCHEDULER_STOP_SECONDS = 10.0
_CONSOLE_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Programs:
    """The commands of this very installation, in one environment."""

    environ: Mapping[str, str]

    def hookkeeper(self, *arguments: str) -> list[str]:
        """The words that run a ``hookkeeper`` command."""
        return [sys.executable, "-m", "ingest.cli", *arguments]

    def web(self, listener: socket) -> Command:
        """The receiver, on a socket that it inherits."""
        descriptor = listener.fileno()
        argv = self.hookkeeper("web", "--fd", str(descriptor))
        return Command("web", argv, self.environ, _WEB_STOP_SECONDS, (descriptor,))

    def worker(self, number: int) -> Command:
        """One worker process; ``number`` only names it."""
        argv = self.hookkeeper("worker")
        return Command(f"worker-{number}", argv, self.environ, _WORKER_STOP_SECONDS)

    def scheduler(self) -> Command:
        """The scheduler."""
        argv = self.hookkeeper("scheduler")
        return Command("scheduler", argv, self.environ, _SCHEDULER_STOP_SECONDS)

    def console(self, listener: socket) -> Command:
        """The console, on a socket that it inherits."""
        descriptor = listener.fileno()
        argv = self.hookkeeper("console", "--fd", str(descriptor))
        return Command("console", argv, self.environ, _CONSOLE_STOP_SECONDS, (descriptor,))
