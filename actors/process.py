"""The ``process`` actor: runs Python handlers on a batch of their deliveries.

Sync handlers run one after another in the worker thread, each under its own limit; async ones run
together on the event loop. A suspect comes by itself and runs alone in a child. A process that
stops finishes what runs and leaves the rest of the batch to others; so does a batch of a handler
that is slow, or its neighbours would wait for each other while other threads are idle.
"""

import time
from contextlib import AbstractContextManager

import dramatiq

from actors.attempts import python
from actors.batch import CURRENT, Batch
from actors.runtime import Runtime
from actors.together import run_together
from ingest import logs
from ingest.events import AttemptResult, Claimed
from ingest.handlers import Handler
from ingest.queue import PROCESS, WakeBroker

SHARE_SECONDS = 1.0  # what a batch that takes longer has not begun by then, other threads may have


def declare(broker: WakeBroker, runtime: Runtime) -> None:
    """Bind the actor to its queue; handlers' own queues are declared when the worker boots."""

    @dramatiq.actor(broker=broker, actor_name=PROCESS, queue_name=PROCESS)
    def process(*, v: int, ids: list[str], destination: str | None) -> None:  # noqa: ARG001 - the fields of every message
        batch = CURRENT.get()
        if batch is not None:
            process_batch(runtime, batch)


def process_batch(runtime: Runtime, batch: Batch) -> None:
    """Make one attempt of each delivery; the results are in ``batch`` afterwards.

    Deliveries that are left untouched are to be given back.
    """
    handlers = runtime.loaded.handlers
    share_at = time.monotonic() + SHARE_SECONDS
    together: list[tuple[Handler, Claimed]] = []
    for claimed in batch.claimed:
        if runtime.stopping.is_set() or time.monotonic() >= share_at:
            return
        handler = handlers.get(claimed.destination)
        if handler is not None and not claimed.crashes and handler.is_async:
            together.append((handler, claimed))
            continue
        batch.start(claimed)
        batch.finish(claimed, _attempt(runtime, handler, claimed))
    if together:
        longest = max(handler.time_limit_seconds for handler, _ in together)
        run_together(runtime, batch, [_handle(batch, *each) for each in together], longest)


def _attempt(runtime: Runtime, handler: Handler | None, claimed: Claimed) -> AttemptResult:
    if handler is None:
        return python.unknown(claimed.destination)
    if claimed.crashes:
        return runtime.children.run(claimed, handler.time_limit_seconds)
    with _log_context(claimed):
        return python.attempt(handler, claimed.event, runtime.limits, runtime.run_on_loop)


async def _handle(batch: Batch, handler: Handler, claimed: Claimed) -> None:
    batch.start(claimed)
    with _log_context(claimed):
        batch.finish(claimed, await python.attempt_async(handler, claimed.event))


def _log_context(claimed: Claimed) -> AbstractContextManager[None]:
    """Give what the handler logs the ids of its event."""
    return logs.context(
        event_id=claimed.event.id,
        trace_id=claimed.event.trace_id,
        delivery_id=claimed.delivery_id,
        destination=claimed.destination,
    )
