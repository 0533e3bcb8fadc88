"""The ``notify`` actor: tells people, one message after another, in the worker's thread.

A digest's batch is one delivery, which speaks for all that wait with it. A suspect comes by
itself and runs alone in a child. A process that stops, or a batch that takes long, leaves the
rest to others.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import dramatiq

from actors.attempts import message, slack
from actors.batch import CURRENT, Batch, now_ms
from actors.runtime import Runtime
from ingest.config.model import Destination
from ingest.events import AttemptResult, Claimed, Event
from ingest.message import SHOWN, Written
from ingest.queue import NOTIFY, WakeBroker
from ingest.store import digests

SHARE_SECONDS = 1.0  # what a batch that takes longer has not begun by then, other threads may have


def declare(broker: WakeBroker, runtime: Runtime) -> None:
    """Bind the actor to its queue."""

    @dramatiq.actor(broker=broker, actor_name=NOTIFY, queue_name=NOTIFY)
    def notify(*, v: int, ids: list[str], destination: str | None) -> None:  # noqa: ARG001 - the fields of every message
        batch = CURRENT.get()
        if batch is not None:
            notify_batch(runtime, batch)


def notify_batch(runtime: Runtime, batch: Batch) -> None:
    """Make one attempt of each delivery; the results are in ``batch`` afterwards.

    Deliveries that are left untouched are to be given back.
    """
    destinations = runtime.loaded.config.destinations
    share_at = time.monotonic() + SHARE_SECONDS
    for claimed in batch.claimed:
        if runtime.stopping.is_set() or time.monotonic() >= share_at:
            return
        batch.start(claimed)
        batch.finish(claimed, _attempt(runtime, destinations.get(claimed.destination), claimed))


def _attempt(runtime: Runtime, to: Destination | None, claimed: Claimed) -> AttemptResult:
    if to is None:
        return message.unknown(claimed.destination)
    if claimed.crashes:
        return runtime.children.run(claimed, to.timeout_seconds)
    if not to.digest_ms:
        return _send(runtime, to, claimed, (claimed.event,), 1)
    riders = digests.riders(runtime.database, claimed, SHOWN - 1)
    together = (claimed.event, *riders.events)
    result = _send(runtime, to, claimed, together, 1 + len(riders.ids))
    return replace(result, riders=riders.ids)


def _send(
    runtime: Runtime, to: Destination, claimed: Claimed, events: Sequence[Event], count: int
) -> AttemptResult:
    async def through_our_door(written: Written) -> AttemptResult:
        return await slack.attempt(await runtime.door(), to, written, now_ms())

    return message.attempt(
        to,
        claimed,
        events,
        count,
        runtime.limits,
        lambda written: runtime.run_on_loop(through_our_door(written)),
    )
