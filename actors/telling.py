"""What running jobs tell, written once a second; what is asked of them meanwhile, told to them.

Jobs never wait for the database when they tell their progress, and async ones must not. Whatever
was told last is written before their end is recorded.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import structlog

from ingest.errors import HookkeeperError, RowRejected
from ingest.jobs.context import JobContext
from ingest.jobs.states import ClaimedJob, Order, Progress, Told
from ingest.store import Database, job_claims

logger = structlog.get_logger(__name__)

INTERVAL_SECONDS = 1.0


class Desk(Protocol):
    """Where progress is kept, and orders lie."""

    def save(self, told: Sequence[Told]) -> Mapping[str, Order]:
        """Keep what jobs told; return what is asked of each."""

    def orders(self, starts: Mapping[str, int]) -> Mapping[str, Order]:
        """Return what is asked of jobs, given with their starts."""


class StoreDesk:
    """The database, as this worker's. ``where``: the open database and the worker's id, now."""

    def __init__(self, where: Callable[[], tuple[Database, str]]) -> None:
        self._where = where

    def save(self, told: Sequence[Told]) -> Mapping[str, Order]:
        """Write what jobs told. Raises StoreUnavailable."""
        return job_claims.save_progress(*self._where(), told)

    def orders(self, starts: Mapping[str, int]) -> Mapping[str, Order]:
        """Read what is asked of jobs. Raises StoreUnavailable."""
        return job_claims.orders(*self._where(), starts)


class Teller:
    """The running jobs of a process, and the thread that looks after them. Thread-safe."""

    def __init__(self, desk: Desk, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._desk = desk
        self._interval_seconds = interval_seconds
        self._lock = threading.Lock()
        self._running: dict[str, tuple[ClaimedJob, JobContext]] = {}
        self._writing = threading.Lock()  # or an older word could be written after the last one
        self._written: dict[str, Progress] = {}
        self._leaving = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, every second."""
        self._leaving = False
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def leave(self) -> None:
        """Ask every job that runs, or begins yet, to stop where it can go on later."""
        with self._lock:
            self._leaving = True
            contexts = [context for _, context in self._running.values()]
        for context in contexts:
            _give(context, Order.PAUSE)

    @contextmanager
    def telling(self, claimed: ClaimedJob, context: JobContext) -> Iterator[None]:
        """Look after a job while the block runs, and write what it told last."""
        with self._lock:
            self._running[claimed.id] = (claimed, context)
            leaving = self._leaving
        if leaving:
            _give(context, Order.PAUSE)
        try:
            yield
        finally:
            with self._lock:
                del self._running[claimed.id]
            with self._writing:
                self._tell([(claimed, context)], orders=False)
                self._written.pop(claimed.id, None)

    def tell(self) -> None:
        """Do one round. Never raises: what cannot be written now is written later."""
        with self._lock:
            running = list(self._running.values())
        if running:
            with self._writing:
                self._tell(running, orders=True)

    def _tell(self, running: Sequence[tuple[ClaimedJob, JobContext]], *, orders: bool) -> None:
        told = [
            Told(claimed.id, claimed.starts, context.told)
            for claimed, context in running
            if context.told != self._written.get(claimed.id, Progress())
        ]
        try:
            found = self._saved(told)
            if orders:
                silent = {job.id: job.starts for job, _ in running if job.id not in found}
                found |= self._desk.orders(silent) if silent else {}
        except HookkeeperError as error:
            logger.warning("job.not_told", jobs=len(running), error=str(error))
            return
        for claimed, context in running:
            _give(context, found.get(claimed.id, Order.GO_ON))

    def _saved(self, told: Sequence[Told]) -> dict[str, Order]:
        """Write what was told; where that fails for one job, it must not for its neighbours."""
        if not told:
            return {}
        try:
            found = dict(self._desk.save(told))
        except RowRejected as error:
            if len(told) == 1:
                logger.warning("job.not_told", job_id=told[0].job_id, error=str(error))
                return {}
            return {job_id: order for one in told for job_id, order in self._saved([one]).items()}
        self._written.update({one.job_id: one.progress for one in told})
        return found

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            try:
                self.tell()
            except Exception:
                logger.exception("job.telling_failed")


def _give(context: JobContext, order: Order) -> None:
    """Pass an order on; a worker that leaves has asked for a pause that nobody else knows of."""
    if order is not Order.GO_ON:
        context.order = order
