"""The writer's work: whatever waits when the last commit ends is the next one.

It owns the database: opens it, opens it again until it can, and looks after it while nothing
arrives. Arrivals that nobody waits for any more are not stored: their senders were told to try
again.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from ingest import metrics
from ingest.errors import HookkeeperError, StoreRefused, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.failpoints import reached
from ingest.learning import Lesson
from ingest.store import Database, accept
from ingest.writer.lessons import Lessons
from ingest.writer.rejected import Shelf
from ingest.writer.socket_end import WriterEnd
from ingest.writer.wire import Condition, Outcome, Parcel, Settled

logger = structlog.get_logger(__name__)

BATCH_EVENTS = 256
BATCH_BYTES = 8_000_000
REOPEN_SECONDS = 0.5  # between two tries to open the database
_IDLE_SECONDS = 1.0  # between two looks at a database that nobody uses


class Committing:
    """Commits for one receiver until it ends.

    ``on_commit`` gets the ids that a commit added, after their waiters were answered; it must
    neither block nor raise.
    """

    def __init__(
        self,
        end: WriterEnd,
        open_store: Callable[[], Database],
        on_commit: Callable[[list[str]], None],
    ) -> None:
        self._end = end
        self._open_store = open_store
        self._on_commit = on_commit
        self._database: Database | None = None
        self._open_at = 0.0  # not earlier: one that is away may take seconds to say so
        self._waiting: deque[Parcel] = deque()
        self._said: Condition | None = None  # as the receiver knows it
        self._shelf = Shelf(end.rejected)
        self._lessons = Lessons(end)

    def run(self) -> None:
        """Work until the receiver has ended and nothing waits."""
        while True:
            if self._database is None and time.monotonic() >= self._open_at:
                self._open()
            batch = self._take()
            if batch:
                self._commit(batch)
            if self._shelf.due(busy=bool(batch)):
                self._end.settle(Settled(self._shelf.keep(self._database)))
            elif not batch and self._end.ended:
                break
            elif not batch and self._database is not None and not self._waiting:
                self._probe(self._database)
            self._lessons.refresh(self._database)
        if self._database is not None:
            self._database.close()

    def _open(self) -> None:
        try:
            self._database = self._open_store()
        except Exception as error:  # noqa: BLE001 - whatever it is, the writer must live to try again
            self._unwell(error)
            self._open_at = time.monotonic() + REOPEN_SECONDS
            return
        self._lessons.refresh(self._database)  # known before anybody is let in
        self._well()

    def _take(self) -> list[Arrival]:
        """The next batch; empty after a while of nothing."""
        wait_seconds = _IDLE_SECONDS if self._database is not None else REOPEN_SECONDS
        self._waiting += self._end.receive(0.0 if self._waiting else wait_seconds)
        now = time.monotonic()
        batch: list[Arrival] = []
        size = 0
        while self._waiting and len(batch) < BATCH_EVENTS:
            deadline, arrival = self._waiting[0]
            size += 0 if isinstance(arrival, Lesson) else len(arrival.body)
            alone = deadline <= now or isinstance(arrival, Lesson)
            if batch and (alone or size > BATCH_BYTES):
                break
            self._waiting.popleft()
            if deadline <= now:
                self._end.answer([StoreUnavailable("Nobody waits for it any more.")])
                size = 0
            elif isinstance(arrival, Lesson):
                self._end.answer([self._lessons.learn(self._database, arrival)])
            else:
                batch.append(arrival)
        return batch

    def _commit(self, arrivals: list[Arrival]) -> None:
        started = time.perf_counter()
        outcomes = self._outcomes(arrivals)
        reached("writer.after_commit")
        self._end.answer(outcomes)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.COMMIT_EVENTS.observe(len(arrivals))
        added = [
            one.event_id for one in outcomes if isinstance(one, Accepted) and not one.duplicate
        ]
        if added:
            self._on_commit(added)

    def _outcomes(self, arrivals: list[Arrival]) -> Sequence[Outcome]:
        if self._database is None:
            trouble = self._said.trouble if self._said else ""
            return [StoreUnavailable(trouble) for _ in arrivals]
        try:
            outcomes = accept.accept(self._database, arrivals)
        except HookkeeperError as error:
            self._unwell(error)
            return [StoreUnavailable(str(error)) for _ in arrivals]
        except Exception as error:
            # A mistake of ours. The writer must live: the next batch may be fine.
            logger.exception("commit.failed", events=len(arrivals))
            return [StoreUnavailable(type(error).__name__) for _ in arrivals]
        if self._said is None or self._said.trouble:
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

    def _well(self) -> None:
        if self._said is not None and self._said.trouble:
            logger.info("store.recovered")
        self._tell(Condition(""))

    def _unwell(self, error: Exception) -> None:
        reason = str(error)
        if not isinstance(error, HookkeeperError):  # a driver's, with its SQL behind the first line
            reason = f"{type(error).__name__}: {next(iter(reason.splitlines()), '')}"
        if self._said is None or self._said.trouble != reason:
            logger.error("store.unavailable", reason=reason)
        self._tell(Condition(reason, isinstance(error, StoreRefused)))

    def _tell(self, condition: Condition) -> None:
        self._said = condition
        self._end.tell(condition)
