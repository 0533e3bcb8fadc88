"""Counts and times messages, and gives every log line the message that it belongs to."""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import time

import structlog
from dramatiq import Broker, MessageProxy, Middleware

from ingest import metrics


class Observe(Middleware):
    """Outside of the claims, so that its times include their commits."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Start the clock and bind the log context of this thread."""
        structlog.contextvars.bind_contextvars(
            actor=message.actor_name, message_id=message.message_id
        )
        message.options["hookkeeper_started"] = time.monotonic()
        metrics.WORKER_THREADS_BUSY.inc()

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Count the message."""
        self._count(message, "failed" if exception is not None else "done")

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Count a message that another middleware skipped."""
        self._count(message, "skipped")

    def _count(self, message: MessageProxy, outcome: str) -> None:
        started = message.options.pop("hookkeeper_started", time.monotonic())
        metrics.WORKER_THREADS_BUSY.dec()
        metrics.MESSAGES.labels(message.actor_name, outcome).inc()
        metrics.MESSAGE_SECONDS.labels(message.actor_name).observe(time.monotonic() - started)
        structlog.contextvars.unbind_contextvars("actor", "message_id")
