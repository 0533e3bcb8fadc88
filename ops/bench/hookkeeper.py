"""Hookkeeper as a user runs it: the shipped command, default settings, processes of its own."""

import http.client
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from ops.bench import request
from ops.bench.processes import Process
from ops.bench.published import Published, published

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("hookkeeper"))
CONFIG = """
[sources.github]
provider = "github"
secrets = ["file:secret"]
max_body = "25MB"
"""
#: Goes in front of CONFIG when there is a handlers.py: the names of modules are a top-level key.
HANDLERS = 'handlers = ["handlers"]\n'


@dataclass
class Hookkeeper:
    """A folder with a configuration, and the processes that run in it."""

    folder: Path
    port: int
    metrics_port: int
    database_url: str
    environ: Mapping[str, str]
    processes: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where senders post GitHub events."""
        return f"http://127.0.0.1:{self.port}/in/github"

    @property
    def roots(self) -> list[int]:
        """The processes that were started; what they started descends from them."""
        return [process.pid for process in self.processes]

    def run(self, *words: str) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            [COMMAND, *words],
            cwd=self.folder,
            env=dict(self.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"hookkeeper {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def is_ready(self) -> bool:
        """Whether the receiver takes events. Raises RuntimeError if one of them has ended."""
        self.check()
        try:
            return get(self.port, "/readyz") == HTTPStatus.OK
        except OSError:
            return False

    def check(self) -> None:
        """Raise RuntimeError, with its last words, if one of the processes has ended."""
        for process in self.processes:
            if process.status is not None:
                raise RuntimeError(f"{process.log.name} ended early: {process.tail()}")

    def published(self) -> Published:
        """Return what the receiver has handed to the broker, and what it could not."""
        return published(self.metrics_port)

    def check_dedupe(self) -> None:
        """Post one event twice. Raises RuntimeError unless the second is called a duplicate."""
        headers = request.headers(request.github_event(), str(uuid.uuid4()))
        statuses = [post(self.port, "/in/github", headers) for _ in range(2)]
        if statuses != [HTTPStatus.ACCEPTED, HTTPStatus.OK]:
            raise RuntimeError(f"the same event twice was answered {statuses}, not 202 and 200")


def write_folder(folder: Path, config: str, handlers: str | None) -> None:
    """Write what a user would have: configuration, secret and, if any, the handlers' module."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hookkeeper.toml").write_text(config if handlers is None else HANDLERS + config)
    (folder / "secret").write_bytes(request.SECRET)
    (folder / "secret").chmod(0o600)
    if handlers is not None:
        (folder / "handlers.py").write_text(handlers)


def environment(**settings: object) -> dict[str, str]:
    """Return this environment without its HOOKKEEPER_* variables, and with the given ones."""
    inherited = {key: v for key, v in os.environ.items() if not key.startswith("HOOKKEEPER_")}
    given = {f"HOOKKEEPER_{key.upper()}": str(value) for key, value in settings.items()}
    return {**inherited, "PYTHONPATH": str(ROOT), **given}


def get(port: int, path: str) -> int:
    """Return the status of a GET. Raises OSError where nothing answers."""
    return _status(port, "GET", path, None, {})


def post(port: int, path: str, headers: Mapping[str, str]) -> int:
    """Return the status of a POST of the benchmark's event."""
    return _status(port, "POST", path, request.github_event().body, headers)


def _status(
    port: int, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
