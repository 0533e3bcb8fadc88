"""What a worker process has open while it works: configuration, database, connections.

Made empty when the process starts; the middleware opens it before the worker boots and closes it
after it has shut down, so importing actors touches nothing.
"""

import os
import socket
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uuid_utils
from dramatiq.asyncio import get_event_loop_thread

from actors.children import Children
from actors.middleware.limits import Limits
from actors.telling import StoreDesk, Teller
from ingest.config.settings import Settings
from ingest.config.snapshot import Loaded, Snapshot
from ingest.jobs.hooks import Resources
from ingest.outbound import Door
from ingest.schedules import to_json
from ingest.store import Database, migrate, open_database, schedules, workers
from ingest.verify.catalogue import load_catalogue

logger = structlog.get_logger(__name__)

T = TypeVar("T")

#: Requests at the same time of a thread that delivers: a destination must not drown in what a
#: thread can claim, and a process must not run out of files.
REQUESTS_A_THREAD = 20


class Runtime:
    """One worker process's resources. ``stopping`` is set once it should start nothing new."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.worker_id = ""
        self.threads = settings.threads
        self.stopping = threading.Event()
        self.limits = Limits()
        self.children = Children()
        self.resources: Resources = {}
        self.teller = Teller(StoreDesk(lambda: (self.database, self.worker_id)))
        self._snapshot: Snapshot | None = None
        self._database: Database | None = None
        self._door: Door | None = None

    @property
    def loaded(self) -> Loaded:
        """The configuration and handlers now; take it once per piece of work."""
        return self.snapshot.current

    @property
    def snapshot(self) -> Snapshot:
        """The configuration that is watched."""
        assert self._snapshot is not None, "the worker has not booted"
        return self._snapshot

    @property
    def database(self) -> Database:
        """The open database."""
        assert self._database is not None, "the worker has not booted"
        return self._database

    def load(self) -> None:
        """Read the configuration and import the handlers. Raises ConfigError."""
        path = self.settings.config_path
        self._snapshot = Snapshot(path, os.environ, load_catalogue(), load_handlers=True)

    def open(self) -> None:
        """Open the database and take a lease. Raises StoreRefused, StoreUnavailable."""
        url = self.settings.database_url
        if _is_new_file(url):
            # Bare `dramatiq actors` in an empty folder runs; an old schema is never changed here.
            self.settings.data.mkdir(parents=True, exist_ok=True)
            migrate(url)
        self._database = self._database or open_database(url)
        self.worker_id = str(uuid_utils.uuid7())
        self.stopping.clear()
        self.register()

    def register(self) -> None:
        """Tell the database that this process lives. Raises StoreUnavailable."""
        workers.register(self.database, self.worker_id, socket.gethostname(), os.getpid())

    def write_schedules(self) -> None:
        """Let schedulers know what users' modules mark. Raises StoreUnavailable."""
        marked = {name: to_json(one) for name, one in self.loaded.schedules.items()}
        schedules.sync(self.database, marked)

    def close(self) -> None:
        """Give back everything."""
        self.children.close()
        if self._database is not None:
            self._database.close()
            self._database = None

    def run_on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the process's event loop and wait for it in this thread."""
        loop = get_event_loop_thread()
        assert loop is not None, "the worker has not booted"
        return loop.run_coroutine(coroutine)

    async def door(self) -> Door:
        """Return the way out; it belongs to the event loop, so it is made there."""
        if self._door is None:
            self._door = Door(self.threads * REQUESTS_A_THREAD)
        return self._door

    async def close_door(self) -> None:
        """Hang up, on the event loop."""
        if self._door is not None:
            await self._door.close()
            self._door = None


def _is_new_file(url: str) -> bool:
    if not url.startswith("sqlite:///"):
        return False
    path = Path(url.removeprefix("sqlite:///"))
    return not path.exists() or path.stat().st_size == 0
