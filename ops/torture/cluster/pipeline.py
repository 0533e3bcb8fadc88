"""Hookkeeper as it is shipped: receiver, workers and scheduler, each a process of its own."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.bench.processes import Guard
from ops.torture.cluster.lives import Life, Program
from ops.torture.senders import SECRETS
from ops.torture.waiting import wait_until

ROOT = Path(__file__).parents[3]
ROLES = ("web", "worker-1", "worker-2", "scheduler")
_CONFIG = """
handlers = ["ops.torture.handlers"]

[destinations.sink]
url = "http://127.0.0.1:{sink_port}/"
secret = "file:destination_secret"
allow = ["127.0.0.0/8"]
timeout = "5s"
retry = {{ base = "1s", cap = "2s", span = "1h" }}
"""
_SOURCE = """
[sources.{name}]
provider = "{name}"
secrets = ["file:secret-{name}"]

[[routes]]
source = "{name}"
to = ["sink"]
"""
_BOOT_SECONDS = 60.0
_LOG_CHARACTERS = 8_000


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where each role finds its database and broker; by way of a proxy, each has its own."""

    database: Callable[[str], str]
    broker: Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a pipeline is to be started, besides its addresses.

    ``environ`` is added for every role ("*") or for one. ``sabotage`` names the protection that is
    switched off (ops/torture/sabotage.py).
    """

    environ: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sabotage: str = ""


class Pipeline:
    """The processes of one pipeline in one folder."""

    def __init__(self, folder: Path, addresses: Addresses, sink_port: int, guard: Guard) -> None:
        self.folder = folder
        self.listener = _listener()
        self.port = int(self.listener.getsockname()[1])
        self.metrics_port = _free_port()
        self.lives: dict[str, Life] = {}
        self._addresses = addresses
        self._guard = guard
        self.config = folder / "hookkeeper.toml"
        sources = "".join(_SOURCE.format(name=name) for name in SECRETS)
        self.config.write_text(_CONFIG.format(sink_port=sink_port) + sources)
        secrets = {f"secret-{name}": secret for name, secret in SECRETS.items()}
        for name, secret in (secrets | {"destination_secret": SECRETS["standardwebhooks"]}).items():
            (folder / name).write_text(secret)
            (folder / name).chmod(0o600)

    def start(self, wanted: Wanted) -> None:
        """Prepare the database, start every role and wait until events are taken."""
        self._migrate(wanted)
        for role in ROLES:
            program = Program(
                role,
                self._argv(role, wanted.sabotage),
                self._environ(role, wanted),
                (self.listener.fileno(),) if role == "web" else (),
            )
            self.lives[role] = Life(program, self.folder, self._guard)
        wait_until(self.is_ready, _BOOT_SECONDS, "a receiver that takes events")

    def is_ready(self) -> bool:
        """Whether events are taken now."""
        try:
            return get(self.port, "/readyz", 2.0)[0] == http.client.OK
        except OSError:
            return False

    def metrics(self) -> str:
        """What Prometheus would read now. Raises OSError where it would read nothing."""
        status, body = get(self.metrics_port, "/metrics", 10.0)
        if status != http.client.OK:
            raise OSError(f"/metrics answered {status}")
        return body.decode()

    def workers(self) -> list[Life]:
        """The lives of the workers."""
        return [life for name, life in self.lives.items() if name.startswith("worker")]

    def end(self) -> None:
        """Kill everything for good."""
        for life in self.lives.values():
            life.end()
        self.listener.close()

    def last_words(self) -> str:
        """What the logs have besides good news, for a person who has to find out why."""
        return "\n".join(
            f"--- {path.name}\n{_bad_news(path)}" for path in sorted(self.folder.glob("*.log"))
        )

    def _migrate(self, wanted: Wanted) -> None:
        words = [sys.executable, "-m", "ingest.cli", "migrate"]
        environ = self._environ("web", wanted)
        done = subprocess.run(
            words, cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"hookkeeper migrate: {done.stdout}{done.stderr}")

    def _argv(self, role: str, sabotage: str) -> list[str]:
        command = role.partition("-")[0]
        more = ["--fd", str(self.listener.fileno())] if command == "web" else []
        module = ["ops.torture.sabotage", sabotage] if sabotage else ["ingest.cli"]
        return [sys.executable, "-m", *module, command, *more]

    def _environ(self, role: str, wanted: Wanted) -> dict[str, str]:
        inherited = {key: v for key, v in os.environ.items() if not key.startswith("HOOKKEEPER_")}
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "TORTURE_EFFECTS": str(self.folder / "effects.db"),
            "HOOKKEEPER_DATABASE_URL": self._addresses.database(role),
            "HOOKKEEPER_BROKER_URL": self._addresses.broker(role),
            "HOOKKEEPER_METRICS_PORT": str(self.metrics_port),
            "HOOKKEEPER_THREADS": "4",
            "HOOKKEEPER_DISK_LOW_WATER": "1MB",
            "HOOKKEEPER_BODY_TIMEOUT": "10s",  # so that slow clients (faults.toml) live to see it
            # A shared machine that stalls for a second is not what is tested here.
            "HOOKKEEPER_COMMIT_TIMEOUT": "2s",
            **wanted.environ.get("*", {}),
            **wanted.environ.get(role, {}),
        }


def get(port: int, path: str, seconds: float) -> tuple[int, bytes]:
    """GET from loopback. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def _bad_news(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if '"level":"info"' not in line)[-_LOG_CHARACTERS:]


def _listener() -> socket.socket:
    """The receiver's socket, held here as ``hookkeeper up`` does: it outlives each receiver."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    return listener


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
