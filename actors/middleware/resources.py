"""Users' ``@on_startup`` and ``@on_shutdown`` hooks, once for each worker process.

After the event loop has started, before anything is consumed: a hook that fails ends the process
with its message, since its jobs would only fail one by one.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import inspect

import structlog
from dramatiq import Broker, Middleware, Worker

from actors.attempts.python import described
from actors.runtime import Runtime
from ingest.jobs.hooks import Hook
from ingest.marks import own_name

logger = structlog.get_logger(__name__)


class ResourceHooks(Middleware):
    """Fills and empties the resources that jobs share."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Run the startup hooks in order. Raises SystemExit."""
        for hook in self._runtime.loaded.hooks.startup:
            try:
                self._run(hook)
            except Exception as error:
                raise SystemExit(
                    f"The worker does not start: @on_startup {own_name(hook)}: {described(error)}"
                ) from error

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Run the shutdown hooks, the last first; none keeps the others from running."""
        for hook in self._runtime.loaded.hooks.shutdown:
            try:
                self._run(hook)
            except Exception:
                logger.exception("worker.shutdown_hook_failed", hook=own_name(hook))

    def _run(self, hook: Hook) -> None:
        returned = hook(self._runtime.resources)
        if inspect.iscoroutine(returned):
            self._runtime.run_on_loop(returned)
