"""A user's folder with hookkeeper.toml and handlers, and workers in it: in-process or real ones."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from dramatiq import Worker
from sqlalchemy import select
from uuid_utils import uuid7

from actors import compose, dispatch
from actors.runtime import Runtime
from ingest.config.settings import Settings, load_settings
from ingest.config.snapshot import Loaded, Snapshot
from ingest.errors import StoreUnavailable
from ingest.events import Accepted, Arrival, DeliveryRef, DeliveryState
from ingest.header_pairs import headers_text
from ingest.queue import WakeBroker, publish_deliveries, publish_events
from ingest.store import Database, queries, schema
from ingest.store.accept import accept
from ingest.store.queries import AttemptRow, DeliveryRow
from ingest.verify.catalogue import load_catalogue
from tests.services.ports import free_port
from tests.waiting import wait_until

PROJECT = Path(__file__).parent.parent.parent
_modules = count(1)


class Rig:
    """The folder, its database, and everything started in it."""

    def __init__(self, folder: Path, database_url: str, database: Database, redis_url: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.database = database
        self.module = f"handlers_{next(_modules)}"
        self.environ = {
            "HOOKKEEPER_DATABASE_URL": database_url,
            "HOOKKEEPER_BROKER_URL": redis_url,
            "HOOKKEEPER_METRICS_PORT": str(free_port()),
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    # -- what a user writes ---------------------------------------------------------------

    def handlers(self, code: str) -> None:
        """Write the handlers' module and name it in the configuration."""
        head = (
            "import asyncio, os, sys, time\n"
            "from pathlib import Path\n"
            "from ingest import Event, Permanent, on\n"
            "HERE = Path(__file__).parent\n"
            "def note(name, event):\n"
            "    with open(HERE / name, 'ab', buffering=0) as file:\n"
            "        file.write(f'{event.id} {os.getpid()}\\n'.encode())\n"
        )
        (self.folder / f"{self.module}.py").write_text(head + code)
        self.config("")

    def config(self, text: str) -> None:
        """Write hookkeeper.toml, with the handlers where there are any."""
        written = (self.folder / f"{self.module}.py").exists()
        modules = f'handlers = ["{self.module}"]\n' if written else ""
        sources = "".join(f'[sources.{name}]\nprovider = "none"\n' for name in ("github", "other"))
        (self.folder / "hookkeeper.toml").write_text(modules + sources + text)

    def notes(self, name: str) -> list[tuple[str, int]]:
        """(event id, process id) of every line that handlers left in a file."""
        path = self.folder / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    # -- what the pipeline did before -----------------------------------------------------

    def settings(self, **changes: str) -> Settings:
        return load_settings({**self.environ, **changes}, self.folder)

    def loaded(self) -> Loaded:
        path = self.folder / "hookkeeper.toml"
        return Snapshot(path, os.environ, load_catalogue(), load_handlers=True).current

    def store(self, source: str = "github", type: str = "push", body: bytes = b"{}") -> str:  # noqa: A002 - an event's word
        """Accept an event, as the receiver does; return its id."""
        answer = accept(self.database, [arrival(source, type, body)])[0]
        assert isinstance(answer, Accepted)
        return answer.event_id

    def dispatch(self, *event_ids: str) -> list[DeliveryRef]:
        """Route events here, without a worker."""
        return dispatch.dispatch_events(self.database, self.loaded(), event_ids)

    # -- what came of it ------------------------------------------------------------------

    def deliveries(self, event_id: str) -> list[DeliveryRow]:
        return queries.list_deliveries(self.database, event_id=event_id)

    def delivery(self, event_id: str) -> DeliveryRow:
        """The only delivery of an event."""
        (row,) = self.deliveries(event_id)
        return row

    def attempts(self, event_id: str) -> list[AttemptRow]:
        """The attempts of the only delivery of an event."""
        return queries.list_attempts(self.database, self.delivery(event_id).id)

    def state(self, event_id: str) -> str:
        return self.delivery(event_id).state

    def wait_for(self, event_id: str, state: DeliveryState, timeout: float = 40.0) -> DeliveryRow:
        """Wait until the only delivery of an event is in a state."""

        def reached() -> bool:
            try:
                return [row.state for row in self.deliveries(event_id)] == [state]
            except StoreUnavailable:  # a test that stops the database cuts our connections too
                return False

        wait_until(
            reached,
            timeout=timeout,
            describe=f"{event_id} to be {state}",
        )
        return self.delivery(event_id)

    def workers(self) -> list[str]:
        """The ids of the worker processes that the database knows."""
        with self.database.read() as tx:
            return list(tx.execute(select(schema.workers.c.id)).scalars())

    # -- workers --------------------------------------------------------------------------

    @contextmanager
    def worker(self, threads: int = 4) -> Iterator[WakeBroker]:
        """Run a dramatiq worker with the whole middleware, in this process."""
        broker = compose(self.settings())
        worker = Worker(broker, worker_threads=threads, worker_timeout=100)
        worker.start()
        try:
            yield broker
        finally:
            worker.stop(timeout=20_000)
            broker.client.connection_pool.disconnect()

    @contextmanager
    def runtime(self) -> Iterator[Runtime]:
        """An open runtime without a worker, for actors that are called as plain functions."""
        runtime = Runtime(self.settings())
        runtime.load()
        runtime.open()
        try:
            yield runtime
        finally:
            runtime.close()

    def start(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``python -m ...`` in the folder; its output is in ``output()``."""
        with (self.folder / "output.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.folder,
                env={**os.environ, **self.environ, **(environ or {}), "PYTHONPATH": str(PROJECT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def dramatiq(self, threads: int = 4) -> subprocess.Popen[bytes]:
        """Start a real worker and wait until it works."""
        ready = "ready for action"  # dramatiq's own word, after our boot
        started = self.output().count(ready)
        process = self.start("dramatiq", "actors", "--processes", "1", "--threads", str(threads))
        wait_until(
            lambda: self.output().count(ready) > started or process.poll() is not None,
            timeout=30,
            describe="a worker that has booted",
        )
        assert process.poll() is None, self.output()
        return process

    def output(self) -> str:
        path = self.folder / "output.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        sys.stdout.write(self.output())  # beside a failure: what the processes said


def arrival(source: str, type_: str, body: bytes) -> Arrival:
    """A verified request."""
    return Arrival(
        event_id=str(uuid7()),
        source=source,
        type=type_,
        provider_event_id=None,
        received_at=time.time_ns() // 1_000_000,
        headers=headers_text((("X-Twice", "1"), ("x-twice", "2"), ("Cookie", "digest"))),
        query="a=1",
        content_type="application/json; charset=utf-8",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        trace_id="0af7651916cd43dd8448eb211c80319c",
        secret_name=None,
        type_signed=False,
        dedupe_key=None,
        dedupe_for_ms=None,
    )


def publish(broker: WakeBroker, refs: list[DeliveryRef]) -> None:
    """Publish deliveries as dispatch does."""
    publish_deliveries(broker, refs)


def publish_stored(broker: WakeBroker, *event_ids: str) -> None:
    """Publish events as the receiver does."""
    publish_events(broker, event_ids)
