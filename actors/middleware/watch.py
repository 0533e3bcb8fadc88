"""A worker process that cannot work any more ends, so that the supervisor starts another.

Watched every second: dramatiq's own threads (nobody else notices when one dies, and what it held
stays running: research/jobs.md fact 4), the event loop, the dramatiq master (its children survive
a SIGKILL and go on consuming, #788), and Python itself: a watchdog in C ends a process in which no
Python ran for ``STALL_SECONDS``, such as one whose handler holds the interpreter lock.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread

from actors.middleware.limits import end_process
from actors.runtime import Runtime

logger = structlog.get_logger(__name__)

STALL_SECONDS = 30.0
_LEAVE_SECONDS = 20.0  # to finish what runs, once the process has to go
_INTERVAL_SECONDS = 1.0


def _terminate() -> None:
    """Do what a supervisor does: dramatiq then stops in order what can still stop."""
    os.kill(os.getpid(), signal.SIGTERM)


class Watch(Middleware):
    """Looks after the process from a thread of its own.

    ``leave`` asks it to stop in order; ``end``, some time after that, leaves it at once.
    """

    def __init__(
        self,
        runtime: Runtime,
        leave: Callable[[], None] = _terminate,
        end: Callable[[], None] = end_process,
    ) -> None:
        self._runtime = runtime
        self._leave = leave
        self._end = end
        self._worker: Worker | None = None
        self._parent = 0
        self._loop_seen_at = 0.0
        self._leave_at: float | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Set the watchdog in C before the first message: that one may already block everything."""
        _set_watchdog()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start to watch, now that all threads run."""
        self._worker = worker
        self._parent = _master()
        self._loop_seen_at = time.monotonic()
        self._leave_at = None
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def check(self, now: float) -> None:
        """Look once, at a monotonic time; leave when something is wrong for good."""
        if self._leave_at is not None:
            if now >= self._leave_at:
                self._end()
            return
        wrong = self._wrong(now)
        if wrong:
            logger.critical("worker.leaves", reason=wrong)
            self._leave_at = now + _LEAVE_SECONDS
            self._leave()

    def _wrong(self, now: float) -> str | None:
        if self._parent and os.getppid() != self._parent:
            return "the dramatiq master is gone"
        if self._runtime.stopping.is_set() or self._worker is None:
            return None
        if not all(thread.is_alive() for thread in self._worker.workers):
            return "a worker thread died"
        if not all(thread.is_alive() for thread in self._worker.consumers.values()):
            return "a consumer thread died"
        return self._wrong_loop(now)

    def _wrong_loop(self, now: float) -> str | None:
        loop = get_event_loop_thread()
        if loop is None or not loop.is_alive():
            return "the event loop died"
        if now - self._loop_seen_at > STALL_SECONDS:
            return "the event loop is blocked; an async handler must not block"
        loop.loop.call_soon_threadsafe(self._see_loop)
        return None

    def _see_loop(self) -> None:
        self._loop_seen_at = time.monotonic()

    def _run(self) -> None:
        while not self._stopped.wait(_INTERVAL_SECONDS):
            _set_watchdog()
            try:
                self.check(time.monotonic())
            except Exception:
                logger.exception("watch.failed")


def _set_watchdog() -> None:
    """End the process in ``STALL_SECONDS``, unless this is called again before."""
    if sys.__stderr__ is not None:
        faulthandler.dump_traceback_later(STALL_SECONDS, exit=True, file=sys.__stderr__)


def _master() -> int:
    """Return the process id of the dramatiq master, 0 where the worker has none (in tests)."""
    parent = multiprocessing.parent_process()
    return parent.pid or 0 if parent is not None else 0
