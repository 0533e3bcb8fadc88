"""A writer for tests: its committing end on a thread of this process, or in its real process."""

import asyncio
import contextlib
import fcntl
import hashlib
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import uuid_utils

from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.header_pairs import headers_text
from ingest.store import Database, open_database
from ingest.store.dispatch import undispatched
from ingest.writer import Orders, Writer
from ingest.writer.committing import Committing
from ingest.writer.pulse import start_pulse
from ingest.writer.socket_end import WriterEnd
from ingest.writer.spawning import Spawned, spawn


def orders(database_url: str) -> Orders:
    return Orders(
        database_url=database_url,
        broker_url="redis://127.0.0.1:1/0",  # nobody listens there: it must not matter
        log_level="error",
        log_format="json",
        metrics_folder=None,
    )


def arrival(body: bytes = b"{}", *, key: bytes | None = None) -> Arrival:
    now = int(time.time() * 1000)
    return Arrival(
        event_id=str(uuid_utils.uuid7()),
        source="github",
        type="push",
        provider_event_id=None,
        received_at=now,
        headers=headers_text((("x-github-event", "push"),)),
        query="",
        content_type="application/json",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        trace_id="0" * 32,
        secret_name=None,
        type_signed=False,
        dedupe_key=None if key is None else hashlib.sha256(key).digest(),
        dedupe_for_ms=None if key is None else 60_000,
    )


def stored(database_url: str, ids: list[str]) -> set[str]:
    with contextlib.closing(open_database(database_url)) as database:
        return {event.id for event in undispatched(database, ids)}


@contextlib.contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Someone else holds SQLite's write lock: a commit waits, the next ones pile up."""
    with Path(database_url.removeprefix("sqlite:///") + ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class OnThread:
    """A writer on a thread: a test can hold its commits back, and sees what they added.

    It gets a duplicate of its end of the socket, as a process would: the link closes its own.
    """

    def __init__(self, open_store: Callable[[], Database]) -> None:
        self._open_store = open_store
        self.commits: list[list[str]] = []

    def start(self, end: socket.socket) -> Spawned:
        thread = threading.Thread(target=self._run, args=(end.dup(),), daemon=True)
        thread.start()
        return Thread(thread)

    def _run(self, end: socket.socket) -> None:
        with end:
            writer_end = WriterEnd(end)
            assert writer_end.orders() is not None
            start_pulse(writer_end)
            Committing(writer_end, self._open_store, self.commits.append).run()


class Thread:
    """A started thread in the place of a process."""

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread

    def kill(self) -> None:
        raise AssertionError("a thread cannot be killed, and should not have to be")

    def wait(self) -> None:
        self._thread.join()


class Desk:
    """A writer and what its commits added, batch by batch."""

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self.url = url
        self._thread = OnThread(lambda: open_database(url))
        self.writer = Writer(
            orders(url), timeout_seconds=timeout_seconds, start_process=self._thread.start
        )

    @property
    def commits(self) -> list[list[str]]:
        return self._thread.commits

    def stored(self, ids: list[str]) -> set[str]:
        return stored(self.url, ids)


@contextlib.asynccontextmanager
async def running(url: str, timeout_seconds: float = 5.0) -> AsyncIterator[Desk]:
    desk = Desk(url, timeout_seconds)
    await desk.writer.start()
    try:
        yield desk
    finally:
        await desk.writer.stop()


class Processes:
    """Starts real writers, and remembers them."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, end: socket.socket) -> Spawned:
        process = spawn(end)
        assert isinstance(process, subprocess.Popen)
        self.started.append(process)
        return process


class Gate:
    """Holds commits back just before they begin: a database that is slow for as long as needed.

    With the real lock a test could not tell a commit that waits from the writer's own probe.
    """

    def __init__(
        self, commit: Callable[[Database, Sequence[Arrival]], list[Accepted | RowRejected]]
    ) -> None:
        self.taken = threading.Event()
        self.open = threading.Event()
        self._commit = commit

    def commit(
        self, database: Database, arrivals: Sequence[Arrival]
    ) -> list[Accepted | RowRejected]:
        self.taken.set()
        assert self.open.wait(timeout=20)
        return self._commit(database, arrivals)


async def outcomes(writer: Writer, arrivals: list[Arrival]) -> list[Accepted | BaseException]:
    return await asyncio.gather(*map(writer.accept, arrivals), return_exceptions=True)


async def accepted(writer: Writer, one: Arrival) -> bool:
    try:
        await writer.accept(one)
    except StoreUnavailable:
        return False
    return True
