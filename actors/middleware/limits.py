"""Time limits for work in worker threads: interrupt first, end the process at last.

Innermost of all middleware, so that nothing is interrupted while outcomes are being recorded:
dramatiq's own stands second, and its interrupt then kills the thread and loses the message
(research/jobs.md fact 4). Deliveries and jobs arm a limit each for themselves. The interrupt is
raised under the lock that ``disarm`` takes, so after ``disarm`` none can come any more.

An interrupt cannot reach a thread inside a C call. Such a thread holds its deliveries for ever,
so the process ends ``HARD_GRACE_SECONDS`` after the limit; they then run alone in a child, which
can be killed.

A process that stops interrupts in the same way what has not ended by itself: an attempt that is
recorded as interrupted is tried again, one that is cut off would count as a crash.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.middleware.threading import raise_thread_exception
from dramatiq.middleware.time_limit import TimeLimitExceeded

from ingest.queue import OURS

logger = structlog.get_logger(__name__)

HARD_GRACE_SECONDS = 30.0
EXIT_STATUS = 70  # EX_SOFTWARE
#: So long may go on what runs when the process is told to stop; dramatiq's own patience is 20 s
#: (ingest/cli/worker.py), of which some is left to record what was interrupted.
LEAVE_SECONDS = 15.0
_INTERVAL_SECONDS = 0.2
_USERS_LIMIT_MS = 600_000.0  # for actors that a user declares, as in dramatiq


#: After how many seconds what is raised in a thread.
Interrupt = tuple[float, type[BaseException]]


class WorkerStops(BaseException):
    """Raised in a thread whose process stops. No Exception: handlers catch those."""


def end_process() -> None:
    """Leave at once, saying where every thread was. The supervisor starts another process."""
    if sys.__stderr__ is not None:
        faulthandler.dump_traceback(file=sys.__stderr__)
    os._exit(EXIT_STATUS)


class Limits(Middleware):
    """Interrupts threads that are over their limit (seconds, monotonic clock)."""

    def __init__(self, end: Callable[[], None] = end_process) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._interrupts: dict[int, list[Interrupt]] = {}
        self._ends: dict[int, float] = {}
        self._leave_at: float | None = None
        self._left: set[int] = set()  # threads that were told to stop
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def actor_options(self) -> set[str]:
        """Options that users' own actors may have."""
        return {"time_limit"}

    @contextmanager
    def limit(self, seconds: float, *warnings: Interrupt) -> Iterator[None]:
        """Raise TimeLimitExceeded in this thread when the block takes longer.

        ``warnings``: what else to raise in it, each once and after so many seconds.
        """
        self.arm(seconds, *warnings)
        try:
            yield
        finally:
            self.disarm()

    def arm(self, seconds: float, *warnings: Interrupt) -> None:
        """Start the clock for this thread."""
        with self._lock:
            now, thread = time.monotonic(), threading.get_ident()
            interrupts: list[Interrupt] = [*warnings, (seconds, TimeLimitExceeded)]
            self._interrupts[thread] = [(now + after, error) for after, error in interrupts]
            self._ends[thread] = now + seconds + HARD_GRACE_SECONDS
            self._left.discard(thread)

    def disarm(self) -> None:
        """Stop the clock; an interrupt that is already on its way is raised here at the latest."""
        with self._lock:
            self._interrupts.pop(threading.get_ident(), None)
            self._ends.pop(threading.get_ident(), None)

    def check(self, now: float) -> None:
        """Interrupt every thread that is over its limit at ``now``, or all that still work."""
        with self._lock:
            if self._leave_at is not None and now >= self._leave_at:
                for thread in self._interrupts.keys() - self._left:
                    self._left.add(thread)
                    raise_thread_exception(thread, WorkerStops)  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated
            for thread, interrupts in self._interrupts.items():
                if interrupts and now >= interrupts[0][0]:
                    _, error = interrupts.pop(0)
                    raise_thread_exception(thread, error)  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated
            stuck = [thread for thread, due in self._ends.items() if now >= due]
        if stuck:
            logger.critical("worker.thread_stuck", threads=len(stuck), grace=HARD_GRACE_SECONDS)
            self._end()

    def start(self) -> None:
        """Begin to check, on a thread of its own."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="limits", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Check no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start with the worker."""
        self._leave_at = None
        self.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Let what runs end by itself, for a while."""
        self._leave_at = time.monotonic() + LEAVE_SECONDS

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Stop with it."""
        self.stop()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Arm the limit of a user's own actor; ours arm one for each delivery."""
        if message.actor_name not in OURS:
            options = broker.get_actor(message.actor_name).options
            self.arm(float(options.get("time_limit", _USERS_LIMIT_MS)) / 1_000)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Disarm whatever is armed."""
        self.disarm()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Disarm here too."""
        self.disarm()

    def _run(self) -> None:
        while not self._stopped.wait(_INTERVAL_SECONDS):
            self.check(time.monotonic())
