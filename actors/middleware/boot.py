"""A worker process's first and last steps: configuration, database, queues, metrics port.

Outermost of all middleware. What cannot work ends the process with a message and a status that is
not 0; a database that is only away is waited for.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import structlog
from dramatiq import Broker, MessageProxy, Middleware, Worker

from actors import kinds, observing
from actors.runtime import Runtime
from ingest import __version__, exposition, logs, metrics
from ingest.errors import ConfigError, StoreRefused, StoreUnavailable
from ingest.queue import WakeBroker

logger = structlog.get_logger(__name__)

_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0


class Boot(Middleware):
    """Opens the runtime before the worker consumes anything, closes it after everything."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._server: exposition.Server | None = None
        self._booted = threading.Event()

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Make everything ready. Raises SystemExit: dramatiq would swallow any other error."""
        runtime, settings = self._runtime, self._runtime.settings
        # dramatiq replaces sys.stdout by a pipe through its master; our lines go straight out.
        stream = None if sys.__stdout__ is None else cast("BinaryIO", sys.__stdout__.buffer)
        logs.configure(settings.log_level, settings.log_format, stream)
        runtime.threads = worker.worker_threads
        try:
            runtime.load()
            with _stoppable():
                self._open()
        except (ConfigError, StoreRefused) as error:
            raise SystemExit(f"The worker does not start: {error}") from None
        own = {handler.queue for handler in runtime.loaded.handlers.values()}
        for queue in sorted(own | {job.queue for job in runtime.loaded.jobs.values()}):
            broker.declare_queue(queue)
        directory = settings.data / "metrics"
        self._server = exposition.serve(settings.metrics_host, settings.metrics_port, directory)
        metrics.BUILD_INFO.labels(__version__).set(1)
        metrics.WORKER_THREADS.set(runtime.threads)
        observing.known_jobs({*kinds.built_in(), *runtime.loaded.jobs})
        logger.info(
            "worker.started",
            worker_id=runtime.worker_id,
            threads=runtime.threads,
            handlers=len(runtime.loaded.handlers),
            jobs=len(runtime.loaded.jobs),
            destinations=len(runtime.loaded.config.destinations),
        )

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Let the first message in."""
        self._booted.set()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Hold what comes before the boot is over: it could end the process.

        dramatiq's master waits for the word that its worker has booted, by default for 30 s, and
        does not notice before that it died (cli.py, `event.wait`).
        """
        self._booted.wait()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Start nothing new, and fetch nothing that would then wait for us."""
        self._runtime.stopping.set()
        if isinstance(broker, WakeBroker):
            broker.stopping.set()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close what was opened."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._runtime.close()
        logger.info("worker.stopped", worker_id=self._runtime.worker_id)

    def _open(self) -> None:
        wait_seconds = _FIRST_WAIT_SECONDS
        while True:
            try:
                self._runtime.open()
                return self._runtime.write_schedules()
            except StoreUnavailable as error:
                logger.warning("worker.waits_for_database", error=str(error))
            threading.Event().wait(wait_seconds)
            wait_seconds = min(_LONGEST_WAIT_SECONDS, wait_seconds * 2)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end the wait: dramatiq's handler sets a flag that it reads only afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
