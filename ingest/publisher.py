"""Wakes the workers after a commit, off the request path. Failing is allowed.

Every id that is not published comes back through its row's ``wake_at``: latency, not loss. So
nothing here blocks a commit, and a broker that is away costs nothing but a line a minute.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from ingest import metrics
from ingest.errors import BrokerUnavailable
from ingest.failpoints import reached

logger = structlog.get_logger(__name__)

CAPACITY = 20_000  # ids; beyond it the scheduler is as fast
_PART = 1_000
_COMPLAINT_SECONDS = 60.0
_PAUSE_SECONDS = 0.5  # after a failure: ids go on coming, and fail together
_GOODBYE_SECONDS = 2.0


class Publisher:
    """Hands ids of committed events to ``publish`` on a thread of its own.

    ``publish`` raises BrokerUnavailable where the broker did not take them.
    """

    def __init__(
        self,
        queue_name: str,
        publish: Callable[[Sequence[str]], None],
        *,
        capacity: int = CAPACITY,
    ) -> None:
        self._queue_name = queue_name
        self._publish = publish
        self._capacity = capacity
        self._waiting: deque[str] = deque()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._complained_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what waits, for two seconds at most; the rest has its wake time."""
        self._stopping.set()
        self._news.set()
        self._thread.join(_GOODBYE_SECONDS)

    def offer(self, ids: Sequence[str]) -> None:
        """Take ids to publish soon. Never blocks; what does not fit is counted and left."""
        room = max(0, self._capacity - len(self._waiting))
        self._waiting.extend(ids[:room])
        if room < len(ids):
            self._failed(len(ids) - room, "the publisher is behind")
        self._news.set()

    def _run(self) -> None:
        while self._news.wait():
            self._news.clear()
            while self._waiting:
                part = [self._waiting.popleft() for _ in range(min(_PART, len(self._waiting)))]
                if not self._sent(part):
                    self._stopping.wait(_PAUSE_SECONDS)
            if self._stopping.is_set():
                return

    def _sent(self, ids: Sequence[str]) -> bool:
        try:
            reached("writer.before_publish")
            self._publish(ids)
            reached("writer.after_publish")
        except BrokerUnavailable as error:
            self._failed(len(ids), str(error))
            return False
        except Exception as error:  # a mistake of ours must not end the thread
            logger.exception("publish.failed")
            self._failed(len(ids), type(error).__name__)
            return False
        metrics.PUBLISHED.labels(self._queue_name, "ok").inc(len(ids))
        return True

    def _failed(self, count: int, reason: str) -> None:
        metrics.PUBLISHED.labels(self._queue_name, "failed").inc(count)
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            logger.warning("publish.left_to_the_scheduler", events=count, reason=reason)
