"""A receiver for tests: in this process behind ASGI, or as a real server process."""

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from ingest import metrics
from ingest.app import create_app
from ingest.config.settings import Settings, load_settings
from ingest.events import Event
from ingest.store import Database, open_database
from ingest.store.dispatch import undispatched
from ingest.store.schema import events
from tests.lifespan import living
from tests.waiting import wait_until

assert metrics  # in this process metrics count in memory: imported before create_app asks

ROOT = Path(__file__).parents[2]
SECRET = b"it's a secret to everybody"  # the one of GitHub's own documentation
CONFIG = """
[sources.github]
provider = "github"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[sources.slack]
provider = "slack"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[sources.open]
provider = "none"

[sources.rewritten]
provider = "nowpayments"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[sources.small]
provider = "none"
max_body = "1KB"

[sources.token]
secrets = ["env:GITHUB_WEBHOOK_SECRET"]
[sources.token.scheme]
family = "token"
header = "X-Gitlab-Token"
failure_status = 403
success_status = 200
success_body = "[accepted]"
credential_query = ["key"]
"""


def make_settings(folder: Path, database_url: str, **changes: str) -> Settings:
    """Settings of a receiver in ``folder``; ``changes`` are HOOKKEEPER_* without the prefix."""
    config = folder / "hookkeeper.toml"
    if not config.exists():
        config.write_text(CONFIG)
    return load_settings(environment(folder, database_url, **changes), folder)


def environment(folder: Path, database_url: str, **changes: str) -> dict[str, str]:
    values = {
        "DATA": str(folder / "data"),
        "DATABASE_URL": database_url,
        "BROKER_URL": "redis://127.0.0.1:1/0",  # nobody listens there: it must not matter
        "METRICS_PORT": "0",
        "DISK_LOW_WATER": "1MB",
        # A shared disk that stalls for a second is the subject of no test but those that say so.
        "COMMIT_TIMEOUT": "30s",
        **changes,
    }
    return {f"HOOKKEEPER_{name}": value for name, value in values.items()}


@contextlib.asynccontextmanager
async def receiving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a receiver in this process, started and stopped as a server would."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://hooks.test")
    async with living(app), client:
        yield client


def github_headers(
    body: bytes, *, event: str = "push", delivery: str = "d-1", secret: bytes = SECRET
) -> dict[str, str]:
    """What GitHub sends beside a body, signed with the standard library alone."""
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/044aadd",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={signature}",
    }


def slack_headers(body: bytes, now_seconds: int) -> dict[str, str]:
    base = b"v0:%d:%b" % (now_seconds, body)
    signature = hmac.new(SECRET, base, hashlib.sha256).hexdigest()
    return {
        "x-slack-request-timestamp": str(now_seconds),
        "x-slack-signature": f"v0={signature}",
    }


def stored(database_url: str, event_id: str) -> Event:
    """The event as it is kept, read by a connection of the test's own."""
    with contextlib.closing(open_database(database_url)) as database:
        (event,) = undispatched(database, [event_id])
    return event


def count_events(database_url: str) -> int:
    with contextlib.closing(open_database(database_url)) as database:
        return count_in(database)


def count_in(database: Database) -> int:
    with database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(events)).scalar_one())


def sample(name: str, **labels: str) -> float:
    """A metric of this process, 0 where it never counted."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def requests_by_outcome(source: str) -> dict[str, float]:
    outcomes = ("accepted", "duplicate", "rejected", "handshake", "shed")
    return {
        outcome: sample("hookkeeper_requests_total", source=source, outcome=outcome)
        for outcome in outcomes
    }


@dataclass
class Server:
    """A receiver process under uvicorn on a port of its own, and what it logged."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    _closed: bool = field(default=False)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def exchange(self, raw: bytes) -> bytes:
        """Send bytes, and return everything that comes until the server closes."""
        with self.connect() as connection:
            connection.sendall(raw)
            return read_all(connection)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def find(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def serving(
    folder: Path, database_url: str, *, first: str = "", **changes: str
) -> Iterator[Server]:
    """A real process. Its environment holds our settings and nothing else of ours.

    ``first``: code that it runs before it serves.
    """
    make_settings(folder, database_url, **changes)
    environ = {
        **os.environ,
        **environment(folder, database_url, **changes),
        "GITHUB_WEBHOOK_SECRET": SECRET.decode(),
        "PYTHONPATH": str(ROOT),
    }
    log = folder / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        port = listener.getsockname()[1]
        command = [sys.executable, "-W", "error", "-c", first + _SERVE, str(listener.fileno())]
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=output, stderr=output,
            pass_fds=[listener.fileno()],
        )  # fmt: skip
    server = Server(process, port, log)
    try:
        wait_until(lambda: _answers(server), timeout=30, describe="the receiver to answer")
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=20)


_SERVE = """
import socket, sys, uvicorn
config = uvicorn.Config(
    "ingest.app:create_app", factory=True, loop="uvloop", ws="none",
    http="ingest.connection:Connection", lifespan="on", log_config=None, server_header=False,
    access_log=False, proxy_headers=False,
    timeout_graceful_shutdown=10,
)
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


def _answers(server: Server) -> bool:
    if server.process.poll() is not None:
        raise AssertionError(server.log.read_text())
    raw = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    return server.exchange(raw).startswith(b"HTTP/1.1 200")


def scrape(port: int) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    """What Prometheus would read from a metrics port, by name and labels."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - only here

    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).raise_for_status().text
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
