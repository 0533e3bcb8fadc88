"""A whole Hookkeeper in a temporary folder: real processes, real servers, as a user runs it.

Everything a test learns, it learns from outside: HTTP answers, what a destination received,
what a handler wrote to its own file, and the rows in the database.
"""

import hashlib
import hmac
import http.client
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest.store import Database, open_database
from tests.services.ports import free_port
from tests.services.sink import Sink
from tests.waiting import wait_until

SECRET = "It's a Secret to Everybody"
DESTINATION_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

#: Handlers of the test pipeline. Each call leaves a line in a file of its own, so that the
#: test can count starts even when the process dies in the middle.
HANDLERS = '''
import asyncio
import os
import threading
from pathlib import Path

from ingest import Event, Permanent, on

HERE = Path(__file__).parent


def note(name: str, event: Event) -> None:
    """Append one line in one write, which the kernel keeps whole."""
    with open(HERE / f"{name}.log", "ab", buffering=0) as log:
        log.write(f"{event.id} {os.getpid()}\\n".encode())


@on("github", name="keep_body")
def keep_body(event: Event) -> None:
    (HERE / "bodies" / event.id).write_bytes(event.body)
    note("handled", event)


@on("github", "watch", name="async_handler")
async def async_handler(event: Event) -> None:
    await asyncio.to_thread(note, "async", event)


@on("github", "fork", name="refuse", attempts=5)
def refuse(event: Event) -> None:
    note("refused", event)
    raise Permanent("this fork is not ours")


@on("poison", name="poison")
def poison(event: Event) -> None:
    note("poison_started", event)
    if event.body == b"poison":
        os._exit(13)
    note("poison_survived", event)


@on("slow", name="slow", time_limit=120)
def slow(event: Event) -> None:
    note("slow_started", event)
    while not (HERE / "release").exists():
        threading.Event().wait(0.05)
    note("slow_done", event)
'''

CONFIG = """
handlers = ["handlers"]

[sources.github]
provider = "github"
secrets = ["file:secret"]
max_body = "25MB"

[sources.poison]
provider = "none"

[sources.slow]
provider = "none"

[sources.other]
provider = "none"

[destinations.sink]
url = "{sink}/sink"
secret = "file:destination_secret"
allow = ["127.0.0.0/8"]
timeout = "10s"
retry = {{ base = "1s", cap = "1s", span = "1h" }}

[destinations.failing]
url = "{sink}/failing"
allow = ["127.0.0.0/8"]
retry = {{ base = "1s", cap = "1s", attempts = 2 }}

[destinations.hanging]
url = "{sink}/hanging"
allow = ["127.0.0.0/8"]
timeout = "60s"

[[routes]]
source = "github"
to = ["sink"]

[[routes]]
source = "github"
types = ["ping"]
where = "zen == 'fail'"
to = ["failing"]

[[routes]]
source = "github"
types = ["ping"]
where = "zen == 'hang'"
to = ["hanging"]
"""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the receiver."""

    status: int
    body: dict[str, object]
    headers: Mapping[str, str]

    @property
    def id(self) -> str:
        return str(self.body["id"])


def github_headers(
    body: bytes, event: str = "ping", delivery: str | None = None, secret: str = SECRET
) -> dict[str, str]:
    """What GitHub sends with a body, signed here independently of the product's own code."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={digest}",
    }


@dataclass
class Pipeline:
    """One running ``hookkeeper up`` and the folder it runs in."""

    folder: Path
    port: int
    database_url: str
    environ: dict[str, str]
    sink: Sink
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ingest.cli", "up"],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.is_ready, timeout=60, describe=f"a ready pipeline, see {log.name}")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-4000:]
        try:
            ready = self.request("GET", "/readyz").status == 200
        except OSError:
            return False
        return ready and bool(self.worker_children())

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()

    def log(self) -> str:
        return (self.folder / "up.log").read_text(errors="replace")

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        return Answer(response.status, json.loads(content or b"{}"), dict(response.headers))

    def post(self, source: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", f"/in/{source}", body, headers)

    def github(self, body: bytes, event: str = "ping", delivery: str | None = None) -> Answer:
        return self.post("github", body, github_headers(body, event, delivery))

    def cli(self, *arguments: str) -> object:
        """Run a command in the folder with ``--json`` and return what it printed, parsed."""
        done = subprocess.run(
            [sys.executable, "-m", "ingest.cli", *arguments, "--json"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    @contextmanager
    def database(self) -> Iterator[Database]:
        opened = open_database(self.database_url)
        try:
            yield opened
        finally:
            opened.close()

    def noted(self, name: str) -> list[tuple[str, int]]:
        """(event id, process id) of each line that a handler left in its file, in order."""
        path = self.folder / f"{name}.log"
        lines = path.read_text().split("\n") if path.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines if line]

    def noted_ids(self, name: str) -> set[str]:
        return {event_id for event_id, _ in self.noted(name)}

    # -- processes, found as a person would with ps ---------------------------------------

    def web(self) -> int:
        return self._child_running("web")

    def scheduler(self) -> int:
        return self._child_running("actors.scheduler")

    def worker_parents(self) -> list[int]:
        assert self.process is not None
        return [pid for pid in children(self.process.pid) if "dramatiq" in command_line(pid)]

    def worker_children(self) -> list[int]:
        return [child for parent in self.worker_parents() for child in dramatiq_children(parent)]

    def _child_running(self, word: str) -> int:
        assert self.process is not None
        found = [pid for pid in children(self.process.pid) if word in command_line(pid).split()]
        assert found, f"no child of up runs {word}"
        return found[0]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return 0
    return int(after_name.split()[1])


def children(pid: int) -> list[int]:
    processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return sorted(child for child in processes if parent_of(child) == pid)


def dramatiq_children(parent: int) -> list[int]:
    """The worker processes of one dramatiq master (not multiprocessing's own trackers)."""
    return [
        pid
        for pid in children(parent)
        if "dramatiq" in command_line(pid) or "spawn_main" in command_line(pid)
    ]


@contextmanager
def running_pipeline(
    folder: Path,
    database_url: str,
    broker_url: str,
    sink: Sink,
    *,
    handlers: str = HANDLERS,
    code: Path = Path(__file__).parent.parent,
    **settings: str,
) -> Iterator[Pipeline]:
    """Start a pipeline in an empty folder, on servers that the test owns; stop it after.

    ``code``: where its processes import from, looked at anew by each that starts.
    """
    (folder / "bodies").mkdir()
    (folder / "handlers.py").write_text(handlers)
    (folder / "hookkeeper.toml").write_text(CONFIG.format(sink=sink.url("")))
    for name, secret in (("secret", SECRET), ("destination_secret", DESTINATION_SECRET)):
        (folder / name).write_text(secret)
        (folder / name).chmod(0o600)
    port, metrics_port = free_port(), free_port()
    environ = {
        **os.environ,
        "HOOKKEEPER_DATABASE_URL": database_url,
        "HOOKKEEPER_BROKER_URL": broker_url,
        "HOOKKEEPER_PORT": str(port),
        "HOOKKEEPER_METRICS_PORT": str(metrics_port),
        "HOOKKEEPER_CONSOLE_PORT": "0",
        # A shared disk that stalls for a second is not what these tests are about.
        "HOOKKEEPER_COMMIT_TIMEOUT": "5s",
        "PYTHONPATH": str(code),
        **{f"HOOKKEEPER_{name.upper()}": value for name, value in settings.items()},
    }
    pipeline = Pipeline(folder, port, database_url, environ, sink)
    try:
        pipeline.start()
        yield pipeline
    finally:
        pipeline.stop()
