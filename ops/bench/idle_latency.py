"""How soon a handler starts after a POST when nothing else is going on.

Starts a pipeline of its own with `hookkeeper up` in a temporary folder, posts signed events one
at a time with pauses, and compares two readings of the machine's monotonic clock: just before
the request is sent, and in the first line of the handler.

Usage: .venv/bin/python ops/bench/idle_latency.py [--events 300] [--database-url URL]
"""

import argparse
import hashlib
import hmac
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from ingest.samples import sample, samples

ROOT = Path(__file__).parent.parent.parent
SECRET = b"a secret of the benchmark"
WARM_UP = 20
TARGETS_MS = {50: 50.0, 99: 150.0}
CONFIG = """
handlers = ["handlers"]

[sources.github]
provider = "github"
secrets = ["file:secret"]
"""
HANDLERS = """
import os
import time

from ingest import Event, on

LOG = os.open("starts.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)


@on("github")
def started(event: Event) -> None:
    now = time.monotonic_ns()
    os.write(LOG, f"{event.id} {now}\\n".encode())
"""


@dataclass(frozen=True)
class Timing:
    """One event, in milliseconds since just before its request was sent."""

    answered: float
    started: float


@contextmanager
def pipeline(folder: Path, database_url: str | None) -> Iterator[int]:
    """Run `hookkeeper up` in a folder and yield the receiver's port."""
    (folder / "hookkeeper.toml").write_text(CONFIG)
    (folder / "handlers.py").write_text(HANDLERS)
    (folder / "secret").write_bytes(SECRET)
    (folder / "secret").chmod(0o600)
    port = free_port()
    environ = {name: v for name, v in os.environ.items() if not name.startswith("HOOKKEEPER_")}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "HOOKKEEPER_PORT": str(port),
        "HOOKKEEPER_METRICS_PORT": str(free_port()),
        "HOOKKEEPER_CONSOLE_PORT": "0",
    }
    if database_url:
        environ["HOOKKEEPER_DATABASE_URL"] = database_url
    with (folder / "up.log").open("wb") as log:
        command = [sys.executable, "-m", "ingest.cli", "up"]
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        yield port
    except BaseException:
        print((folder / "up.log").read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(port: int) -> bool:
    """Whether the receiver says that it can take events."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def until(found: threading.Event, deadline: float, what: str) -> None:
    """Pause for 2 ms, so that the benchmark itself takes no core; give up at the deadline."""
    if time.monotonic() > deadline:
        raise TimeoutError(f"{what} took too long")
    found.wait(0.002)


def measure(connection: http.client.HTTPConnection, folder: Path) -> Timing:
    """Post one signed event and wait for its handler."""
    chosen = sample("github", samples("github")[0])
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": chosen.event_type.partition(".")[0],
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256="
        + hmac.new(SECRET, chosen.body, hashlib.sha256).hexdigest(),
    }
    posted = time.monotonic_ns()
    connection.request("POST", "/in/github", chosen.body, headers)
    response = connection.getresponse()
    answer = response.read()
    answered = time.monotonic_ns()
    if response.status != HTTPStatus.ACCEPTED:
        raise RuntimeError(f"the receiver answered {response.status}: {answer!r}")
    return Timing((answered - posted) / 1e6, (started(folder, answer) - posted) / 1e6)


def started(folder: Path, answer: bytes) -> int:
    """Return when the handler of the event named in an answer began, in ns."""
    log, deadline, pause = folder / "starts.log", time.monotonic() + 30, threading.Event()
    while True:
        for line in log.read_text().splitlines() if log.exists() else []:
            event_id, _, moment = line.partition(" ")
            if moment and event_id.encode() in answer:
                return int(moment)
        until(pause, deadline, "the handler")


def report(timings: list[Timing]) -> None:
    """Print the percentiles and whether they meet the targets."""
    print(f"{len(timings)} events, one at a time, nothing else running (ms)")
    for name in ("answered", "started"):
        values = sorted(getattr(timing, name) for timing in timings)
        figures = [
            f"p{p} {values[min(len(values) - 1, len(values) * p // 100)]:7.1f}"
            for p in (50, 90, 99)
        ]
        print(f"POST -> {name:9} {'  '.join(figures)}  max {values[-1]:7.1f}")
    values = sorted(timing.started for timing in timings)
    for percent, target in TARGETS_MS.items():
        value = values[min(len(values) - 1, len(values) * percent // 100)]
        print(f"target: p{percent} < {target:.0f} ms: {'met' if value < target else 'missed'}")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--database-url", help="default: SQLite in the temporary folder")
    arguments = parser.parse_args()
    pause, chance = threading.Event(), random.Random(1)
    with tempfile.TemporaryDirectory(prefix="hookkeeper-bench-") as name:
        folder = Path(name)
        with pipeline(folder, arguments.database_url) as port:
            deadline = time.monotonic() + 60
            while not ready(port):
                until(pause, deadline, "the start of the pipeline")
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            timings = []
            for _ in range(WARM_UP + arguments.events):
                timings.append(measure(connection, folder))
                pause.wait(chance.uniform(0.05, 0.25))  # idle again, and in step with no timer
            connection.close()
    report(timings[WARM_UP:])


if __name__ == "__main__":
    main()
