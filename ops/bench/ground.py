"""Where measurements are made: real servers, real processes, and everything gone afterwards.

A row asks the ground for what it needs, inside ``with``: databases and brokers with the settings
of production, Hookkeeper by its shipped command, the bare receiver with the same server flags.
"""

import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

from ops.bench import load
from ops.bench.backlog import Backlog
from ops.bench.figures import Pair, Side
from ops.bench.hookkeeper import COMMAND, CONFIG, ROOT, Hookkeeper, environment, get, write_folder
from ops.bench.processes import Guard, Process
from ops.bench.published import trimming
from ops.bench.spending import Meter
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer

__all__ = ["KINDS", "ROUNDS", "Ground", "Kind", "Options", "Server"]

T = TypeVar("T")
ROUNDS = 5
Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")

#: PostgreSQL's own defaults, where the tests' server has others.
_DEFAULTS = {"shared_buffers": "128MB", "max_connections": "100", "timezone": "UTC"}

#: What ``hookkeeper web`` asks of uvicorn (ingest/cli/serving.py), for everything compared with it.
UVICORN_FLAGS = (
    *("--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log"),
    *("--no-server-header", "--no-proxy-headers", "--log-level", "warning"),
    *("--backlog", "2048"),
)
_START_SECONDS = 60.0
QUIET_SECONDS = 0.2  # many times what a commit takes


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how often: rounds are pairs, times in seconds except ``minutes``."""

    rounds: int = ROUNDS
    seconds: float = 5.0
    warm_up_seconds: float = 2.0
    minutes: float = 20.0
    #: Where databases go: on a disk, and where PostgreSQL's own account may go, too.
    data: Path = Path("/var/tmp")

    @property
    def are_enough(self) -> bool:
        """Whether what is measured so may stand in the results."""
        default = Options()
        return (
            self.rounds >= default.rounds
            and self.seconds >= default.seconds
            and self.warm_up_seconds >= default.warm_up_seconds
            and self.minutes >= default.minutes
        )


@dataclass(frozen=True, slots=True)
class Server:
    """Something that was started: where it is reached, and the processes that it consists of."""

    url: str
    roots: tuple[int, ...]


class Ground:
    """A temporary folder and whatever runs in it; a context manager."""

    def __init__(self, options: Options, tell: Callable[[str], None] = print) -> None:
        self.options = options
        self.tell = tell  # progress, for people
        self.home = Path(tempfile.mkdtemp(prefix="hookkeeper-bench-", dir=options.data))
        self.guard = Guard(self.home)
        self._folders = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.guard.dismiss()
        shutil.rmtree(self.home, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """Return a new empty folder."""
        self._folders += 1
        path = self.home / f"{self._folders}-{name}"
        path.mkdir()
        return path

    @staticmethod
    def free_port() -> int:
        """Return a port on which nothing listens."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    # -- servers ------------------------------------------------------------------------------

    @contextmanager
    def redis(self) -> Iterator[Server]:
        """A private Redis that keeps nothing on disk, as `hookkeeper up` starts one."""
        server = RedisServer()
        try:
            server.start()
            yield Server(server.url, (server.pid,))
        finally:
            server.close()

    @contextmanager
    def postgresql(self) -> Iterator[Server]:
        """A private PostgreSQL cluster with its default settings, fsync on; an empty database."""
        with _temporary_files_in(self.options.data):
            server = PostgresServer(**_DEFAULTS)
        try:
            server.start()
            yield Server(server.create_database("bench"), (server.pid,))
        finally:
            server.close()

    @contextmanager
    def database(self, kind: Kind) -> Iterator[Server]:
        """An empty database of a kind; SQLite has no process of its own."""
        if kind == "postgresql":
            with self.postgresql() as server:
                yield server
        else:
            folder = self.folder("database")
            yield Server(f"sqlite:///{folder}/hookkeeper.db", ())
            shutil.rmtree(folder)  # it may be tens of gigabytes, and the next row needs them

    @contextmanager
    def hookkeeper(
        self,
        database_url: str,
        broker_url: str,
        *,
        commands: Sequence[str] = ("web",),
        config: str = CONFIG,
        handlers: str | None = None,
        migrate: bool = True,
        settings: Mapping[str, object] | None = None,
    ) -> Iterator[Hookkeeper]:
        """Hookkeeper's own commands with default settings, ready when the block begins.

        ``commands``: one process each, such as ("web", "worker", "scheduler"). The addresses are
        given; ``settings`` are more HOOKKEEPER_* variables. What a receiver without a worker
        publishes is taken from its queue, so that it goes on.
        """
        folder = self.folder("hookkeeper")
        write_folder(folder, config, handlers)
        port, metrics_port = self.free_port(), self.free_port()
        given = {"port": port, "metrics_port": metrics_port, "console_port": 0, **(settings or {})}
        environ = environment(database_url=database_url, broker_url=broker_url, **given)
        running = Hookkeeper(folder, port, metrics_port, database_url, environ)
        if migrate:
            running.run("migrate")
        with ExitStack() as stack:
            for number, command in enumerate(commands):
                log = folder / f"{number}-{command.partition(' ')[0]}.log"
                words = [COMMAND, *command.split()]
                process = Process(self.guard, words, log=log, folder=folder, environ=environ)
                running.processes.append(stack.enter_context(process))
            if any(command.split()[0] in ("web", "up") for command in commands):
                self.wait_until(running.is_ready, "the receiver to be ready")
            if "web" in commands and "worker" not in commands:
                stack.enter_context(trimming(broker_url))
            yield running

    @contextmanager
    def bare(self) -> Iterator[Server]:
        """Starlette that reads a body and answers 202, in one uvicorn process, same flags."""
        with self.uvicorn(Path(sys.executable), "ops.bench.bare:app", ROOT) as server:
            yield server

    @contextmanager
    def uvicorn(
        self, python: Path, app: str, folder: Path, environ: Mapping[str, str] | None = None
    ) -> Iterator[Server]:
        """An ASGI application in one process, with the flags that `hookkeeper web` uses."""
        port = self.free_port()
        command = [str(python), "-m", "uvicorn", *UVICORN_FLAGS, "--port", str(port), app]
        log = self.folder("uvicorn") / "uvicorn.log"
        with Process(self.guard, command, log=log, folder=folder, environ=environ) as process:
            self.wait_until(lambda: _answers(process, port), f"{app} to answer")
            yield Server(f"http://127.0.0.1:{port}/in/github", (process.pid,))

    # -- measuring ----------------------------------------------------------------------------

    def wrk(self, url: str, connections: int, seconds: float | None = None) -> load.Load:
        """Closed-loop load on a URL: what wrk saw."""
        return load.wrk(url, connections, seconds or self.options.seconds, self.home)

    def rate(self, url: str, connections: int, roots: Sequence[int]) -> tuple[Side, load.Load]:
        """One round of closed-loop load, with the CPU time of the processes that serve it.

        Raises RuntimeError where nothing at all was acknowledged: that is no rate.
        """
        meter = Meter(roots)
        found = self.wrk(url, connections)
        spent = meter.read("wrk")
        if not found.acknowledged:
            raise RuntimeError(f"nothing was acknowledged: {found}")
        return Side(found.acknowledged, found.seconds, spent.total, found.failures, spent), found

    def turns(self, ours: Callable[[], T], theirs: Callable[[], T]) -> list[tuple[T, T]]:
        """Run both sides in turn, the first of a pair being the second of the next."""
        found = []
        for number in range(self.options.rounds):
            if number % 2:
                second = theirs()
                first = ours()
            else:
                first = ours()
                second = theirs()
            found.append((first, second))
        return found

    def pairs(self, ours: Callable[[], Side], theirs: Callable[[], Side]) -> list[Pair]:
        """Run both sides in turn, for a rate."""
        return [Pair(*pair) for pair in self.turns(ours, theirs)]

    def emptied(self, backlog: Backlog, seconds: float) -> float:
        """Wait until all is handled; return when that was, on the monotonic clock.

        It must stay so: what was on its way when the load ended may be committed a moment later.
        Raises TimeoutError.
        """
        while True:
            self.wait_until(backlog.is_empty, "the backlog", seconds)
            at, newest = time.monotonic(), backlog.newest()
            time.sleep(QUIET_SECONDS)
            if backlog.is_empty() and backlog.newest() == newest:
                return at

    @staticmethod
    def wait_until(
        condition: Callable[[], object],
        what: str,
        seconds: float = _START_SECONDS,
        pause_seconds: float = 0.02,
    ) -> None:
        """Return once the condition holds, asked for again and again. Raises TimeoutError."""
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s in vain for {what}")
            pause.wait(pause_seconds)


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Make temporary folders elsewhere: the tests' server has no parameter for it."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _answers(process: Process, port: int) -> bool:
    if process.status is not None:
        raise RuntimeError(f"it ended early: {process.tail()}")
    try:
        return get(port, "/") > 0
    except OSError:
        return False
