"""The ``deliver`` actor: posts a batch of one destination's deliveries, many at a time.

They run together on the process's event loop while one worker thread waits for them. A suspect
comes by itself and runs alone in a child. A process that stops finishes the requests that are on
their way and leaves the rest of the batch to others.
"""

import asyncio
import math

import dramatiq

from actors.attempts import http
from actors.batch import CURRENT, Batch, now_ms
from actors.runtime import REQUESTS_A_THREAD, Runtime
from actors.together import run_together
from ingest.config.snapshot import Loaded
from ingest.events import Claimed
from ingest.queue import DELIVER, WakeBroker

_NO_DESTINATION_SECONDS = 15.0  # nothing is sent; a limit for a child all the same


def declare(broker: WakeBroker, runtime: Runtime) -> None:
    """Bind the actor to its queue."""

    @dramatiq.actor(broker=broker, actor_name=DELIVER, queue_name=DELIVER)
    def deliver(*, v: int, ids: list[str], destination: str | None) -> None:  # noqa: ARG001 - the fields of every message
        batch = CURRENT.get()
        if batch is not None:
            deliver_batch(runtime, batch)


def deliver_batch(runtime: Runtime, batch: Batch) -> None:
    """Make one attempt of each delivery; the results are in ``batch`` afterwards.

    Deliveries that are left untouched are to be given back.
    """
    loaded = runtime.loaded
    together = [claimed for claimed in batch.claimed if not claimed.crashes]
    for claimed in batch.claimed:
        if claimed.crashes:
            batch.start(claimed)
            batch.finish(claimed, runtime.children.run(claimed, _limit_seconds(loaded, claimed)))
    if together:
        gate = asyncio.Semaphore(REQUESTS_A_THREAD)
        longest = max(_limit_seconds(loaded, claimed) for claimed in together)
        longest *= math.ceil(len(together) / REQUESTS_A_THREAD)
        posts = [_post(runtime, loaded, batch, gate, claimed) for claimed in together]
        run_together(runtime, batch, posts, longest)


async def _post(
    runtime: Runtime, loaded: Loaded, batch: Batch, gate: asyncio.Semaphore, claimed: Claimed
) -> None:
    async with gate:
        if runtime.stopping.is_set():
            return
        batch.start(claimed)
        destination = loaded.config.destinations.get(claimed.destination)
        door = await runtime.door()
        batch.finish(claimed, await http.attempt(door, destination, claimed, now_ms()))


def _limit_seconds(loaded: Loaded, claimed: Claimed) -> float:
    destination = loaded.config.destinations.get(claimed.destination)
    return destination.timeout_seconds if destination else _NO_DESTINATION_SECONDS
