"""The lease of a worker process: renewed while it lives, given back when it stops.

A lease that is not renewed for 10 s means that the process is dead; the scheduler then frees its
rows (design.md, Claims). Refreshes the configuration on the way.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import threading
import time
from collections.abc import Callable

import structlog
from dramatiq import Broker, Middleware, Worker

from actors.runtime import Runtime
from ingest.errors import StoreUnavailable
from ingest.store import workers

logger = structlog.get_logger(__name__)

RENEW_SECONDS = 3.0
REFRESH_SECONDS = 2.0
_TICK_SECONDS = 0.5


class Lease(Middleware):
    """Keeps the ``workers`` row of this process alive from a thread of its own."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start to renew; the first lease was taken when the database was opened."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Give the lease back; what could not be recorded is free from now on, too."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        try:
            workers.retire(self._runtime.database, self._runtime.worker_id)
        except StoreUnavailable as error:
            logger.warning("lease.not_retired", error=str(error))

    def renew(self) -> bool:
        """Renew once; whether it worked. A process that was declared dead takes a new lease."""
        try:
            if not workers.renew(self._runtime.database, self._runtime.worker_id):
                logger.warning("lease.lost", worker_id=self._runtime.worker_id)
                self._runtime.register()
        except StoreUnavailable as error:
            logger.warning("lease.not_renewed", error=str(error))
            return False
        return True

    def _run(self) -> None:
        renew_at = time.monotonic() + RENEW_SECONDS
        refresh_at = time.monotonic() + REFRESH_SECONDS
        while not self._stopped.wait(_TICK_SECONDS):
            now = time.monotonic()
            if now >= renew_at and self._safely(self.renew):
                renew_at = now + RENEW_SECONDS  # after a failure: at the next tick
            if now >= refresh_at:
                refresh_at = now + REFRESH_SECONDS
                self._safely(self._runtime.snapshot.refresh)

    def _safely(self, step: Callable[[], bool]) -> bool:
        """Run a step; this thread must outlive every mistake, or the process looks dead."""
        try:
            return bool(step())
        except Exception:
            logger.exception("lease.step_failed")
            return False
