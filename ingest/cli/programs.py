"""The commands of a pipeline's own processes, as ``up`` starts them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from socket import socket

from ingest.cli.processes import Command

#: Each longer than the process's own bound (ingest/cli/serving.py, worker.py, console.py).
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

    def web(self, listener: socket, ready: int | None = None) -> Command:
        """The receiver, on a socket that it inherits; ``ready``: a pipe that it tells."""
        return self._server("web", listener, ready, _WEB_STOP_SECONDS)

    def worker(self, number: int) -> Command:
        """One worker process; ``number`` only names it."""
        argv = self.hookkeeper("worker")
        return Command(f"worker-{number}", argv, self.environ, _WORKER_STOP_SECONDS)

    def check_of_workers(self) -> list[str]:
        """The words that read all code of workers and scheduler, and do nothing with it."""
        return [sys.executable, "-c", "import actors.scheduler"]

    def scheduler(self) -> Command:
        """The scheduler."""
        argv = self.hookkeeper("scheduler")
        return Command("scheduler", argv, self.environ, _SCHEDULER_STOP_SECONDS)

    def console(self, listener: socket, ready: int | None = None) -> Command:
        """The console, as the receiver."""
        return self._server("console", listener, ready, _CONSOLE_STOP_SECONDS)

    def _server(
        self, name: str, listener: socket, ready: int | None, stop_seconds: float
    ) -> Command:
        inherited = {"--fd": listener.fileno()}
        if ready is not None:
            inherited["--ready-fd"] = ready
        words = [word for option, number in inherited.items() for word in (option, str(number))]
        argv = self.hookkeeper(name, *words)
        return Command(name, argv, self.environ, stop_seconds, tuple(inherited.values()))
