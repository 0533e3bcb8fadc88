"""The event loop of a worker process, and the connections that live on it.

dramatiq's own thread is no daemon, so a second SIGTERM, or a boot that fails after it, hangs for
ever; and a loop that takes longer than a second to start is only logged (research/jobs.md §1.1).
The loop is uvloop's, as in the receiver: it takes 540 us a delivery instead of 740 (measured).
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import uvloop
from dramatiq import Broker, Worker
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO

from actors.runtime import Runtime

_START_SECONDS = 30.0


class Loop(AsyncIO):
    """dramatiq's event loop thread, as a daemon; closes outbound connections with it."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self._runtime = runtime

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the loop. Raises SystemExit where that is impossible."""
        thread = _thread(EventLoopThread(self.logger))
        try:
            thread.start(timeout=_START_SECONDS)
        except RuntimeError as error:
            raise SystemExit(f"The worker does not start: {error}") from None
        set_event_loop_thread(thread)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Hang up, then stop the loop."""
        self._runtime.run_on_loop(self._runtime.close_door())
        super().after_worker_shutdown(broker, worker)  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated


def _thread(made: EventLoopThread) -> EventLoopThread:
    """Give dramatiq's thread, not started yet, the loop that it should run."""
    made.daemon = True
    made.loop.close()
    made.loop = uvloop.new_event_loop()
    return made
