"""The one door to the store: arrivals are committed in groups, by one thread.

A batch is whatever waits when the last commit ends, so batches grow with the load and a lone
arrival waits for nobody. The thread owns the database: it opens it, opens it again until it can,
and looks after it while nothing arrives. Who waits too long gets StoreUnavailable; an arrival
whose waiter has gone is dropped if it was not taken yet.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from ingest import metrics
from ingest.errors import HookkeeperError, RowRejected, StoreRefused, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.store import Database, accept

logger = structlog.get_logger(__name__)

BATCH_EVENTS = 256
BATCH_BYTES = 8_000_000
#: Entries that may wait, those included that gave up while the database hangs.
WAITING_LIMIT = 10_000
_IDLE_SECONDS = 1.0  # between two looks at a database that nobody uses
_REOPEN_SECONDS = 0.5
_STALLED_SECONDS = 5.0  # a commit that takes longer than this makes the process not ready

Outcome = Accepted | RowRejected | StoreUnavailable


@dataclass(slots=True, eq=False)
class _Entry:
    arrival: Arrival | None  # None: its waiter has gone, and its body with it
    waiter: asyncio.Future[Accepted]


@dataclass(slots=True)
class _Batch:
    entries: list[_Entry] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    size: int = 0

    def has_room_for(self, arrival: Arrival) -> bool:
        return not self.arrivals or (
            len(self.arrivals) < BATCH_EVENTS and self.size + len(arrival.body) <= BATCH_BYTES
        )

    def add(self, entry: _Entry, arrival: Arrival) -> None:
        self.entries.append(entry)
        self.arrivals.append(arrival)
        self.size += len(arrival.body)


class Writer:
    """Commits arrivals for one event loop.

    ``open_store`` opens the database, on the writer's thread. ``on_commit`` gets the ids that a
    commit added, after their waiters were woken, on that thread too; it must not block or raise.
    ``timeout_seconds`` covers waiting and committing.
    """

    def __init__(
        self,
        open_store: Callable[[], Database],
        on_commit: Callable[[list[str]], None],
        *,
        timeout_seconds: float = 0.9,
    ) -> None:
        self._open_store = open_store
        self._on_commit = on_commit
        self._timeout_seconds = timeout_seconds
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._held_back: _Entry | None = None  # did not fit into the last batch
        self._database: Database | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: Future[None] = Future()
        self._stopping = False
        self._trouble = "the database is being opened"
        self._well_at = 0.0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    async def start(self, *, patience_seconds: float = 5.0) -> None:
        """Start, and try to open the database once.

        Raises StoreRefused where it must not be used. One that cannot be reached, or takes
        longer than ``patience_seconds``, is no reason not to start: see ``trouble``.
        """
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        opened = asyncio.wrap_future(self._opened)
        await asyncio.wait({opened}, timeout=patience_seconds)
        if opened.done():
            opened.result()

    async def stop(self) -> None:
        """Commit what waits, close the database, and end the thread."""
        self._stopping = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def accept(self, arrival: Arrival) -> Accepted:
        """Return once the arrival is committed and fsynced.

        Raises StoreUnavailable (nothing was acknowledged) and RowRejected (a data error).
        """
        if self._stopping or self._loop is None or self._queue.qsize() >= WAITING_LIMIT:
            raise StoreUnavailable("The receiver is stopping, or too many events wait already.")
        entry = _Entry(arrival, self._loop.create_future())
        self._queue.put(entry)
        timer = self._loop.call_later(self._timeout_seconds, _give_up, entry)
        try:
            return await entry.waiter
        finally:
            timer.cancel()
            entry.arrival = None  # frees the body of one that nobody waits for any more

    @property
    def trouble(self) -> str | None:
        """Why the database cannot commit, for people; None while it can."""
        if self._trouble:
            return self._trouble
        if time.monotonic() - self._well_at > _STALLED_SECONDS:
            return f"no commit has ended for {_STALLED_SECONDS:.0f} s"
        return None

    def _run(self) -> None:
        while True:
            if self._database is None:
                self._open()
            batch = self._take()
            if batch.entries:
                self._commit(batch)
            elif self._stopping:
                break
            elif self._database is not None:
                self._probe(self._database)
        if self._database is not None:
            self._database.close()

    def _open(self) -> None:
        try:
            self._database = self._open_store()
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread must live to try again
            self._unwell(error)
            if not self._opened.done():
                refused = isinstance(error, StoreRefused)
                self._opened.set_exception(error) if refused else self._opened.set_result(None)
            return
        self._well()
        if not self._opened.done():
            self._opened.set_result(None)

    def _take(self) -> _Batch:
        """Whatever waits, within the limits of a batch; empty after a while of nothing."""
        batch = _Batch()
        wait = _IDLE_SECONDS if self._database is not None else _REOPEN_SECONDS
        entry = self._held_back or self._next(0.0 if self._stopping else wait)
        self._held_back = None
        while entry is not None:
            arrival = entry.arrival
            if arrival is not None and not batch.has_room_for(arrival):
                self._held_back = entry
                break
            if arrival is not None:
                batch.add(entry, arrival)
            entry = self._next(0.0)
        return batch

    def _next(self, wait_seconds: float) -> _Entry | None:
        try:
            if wait_seconds:
                return self._queue.get(timeout=wait_seconds)
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _commit(self, batch: _Batch) -> None:
        started = time.perf_counter()
        outcomes = self._outcomes(batch.arrivals)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.COMMIT_EVENTS.observe(len(batch.arrivals))
        self._answer(batch.entries, outcomes)
        added = [
            one.event_id for one in outcomes if isinstance(one, Accepted) and not one.duplicate
        ]
        if added:
            self._on_commit(added)

    def _outcomes(self, arrivals: list[Arrival]) -> Sequence[Outcome]:
        if self._database is None:
            return [StoreUnavailable(self._trouble) for _ in arrivals]
        try:
            outcomes = accept.accept(self._database, arrivals)
        except HookkeeperError as error:
            self._unwell(error)
            return [StoreUnavailable(str(error)) for _ in arrivals]
        except Exception as error:
            # A mistake of ours. The thread must live: the next batch may be fine.
            logger.exception("commit.failed", events=len(arrivals))
            return [StoreUnavailable(type(error).__name__) for _ in arrivals]
        self._well()
        return outcomes

    def _probe(self, database: Database) -> None:
        """An empty write transaction: readiness must not wait for the first event to fail."""
        try:
            with database.write():
                pass
        except Exception as error:  # noqa: BLE001 - as above
            self._unwell(error)
        else:
            self._well()

    def _answer(self, entries: list[_Entry], outcomes: Sequence[Outcome]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_wake, entries, outcomes)

    def _well(self) -> None:
        if self._trouble and self._well_at:
            logger.info("store.recovered")
        self._trouble = ""
        self._well_at = time.monotonic()

    def _unwell(self, error: Exception) -> None:
        reason = str(error)
        if not isinstance(error, HookkeeperError):  # a driver's, with its SQL behind the first line
            reason = f"{type(error).__name__}: {next(iter(reason.splitlines()), '')}"
        if self._trouble != reason:
            logger.error("store.unavailable", reason=reason)
        self._trouble = reason


def _wake(entries: list[_Entry], outcomes: Sequence[Outcome]) -> None:
    for entry, outcome in zip(entries, outcomes, strict=True):
        if entry.waiter.done():
            continue
        if isinstance(outcome, Accepted):
            entry.waiter.set_result(outcome)
        else:
            entry.waiter.set_exception(outcome)


def _give_up(entry: _Entry) -> None:
    if not entry.waiter.done():
        entry.waiter.set_exception(StoreUnavailable("The database did not commit in time."))
