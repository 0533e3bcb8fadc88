"""Many attempts of a batch at once, on the process's event loop; one thread waits for them.

What is finished is recorded every second meanwhile: a slow neighbour delays nobody's outcome, and
a process that dies repeats a second's work and not a batch's.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from actors.batch import Batch
from actors.middleware.limits import HARD_GRACE_SECONDS
from actors.runtime import Runtime

logger = structlog.get_logger(__name__)

RECORD_SECONDS = 1.0

Attempt = Coroutine[Any, Any, None]


def run_together(
    runtime: Runtime, batch: Batch, attempts: Sequence[Attempt], longest_seconds: float
) -> None:
    """Return when every attempt has ended; one that fails unexpectedly hurts no other.

    ``longest_seconds``: what they may take if each keeps its own limit. A loop that is blocked
    keeps none, so this thread is interrupted some time after that.
    """
    ends_at = time.monotonic() + longest_seconds + HARD_GRACE_SECONDS
    all_of_them = runtime.run_on_loop(_begin(attempts))
    try:
        while True:
            with runtime.limits.limit(ends_at - time.monotonic()):
                ended = runtime.run_on_loop(_ended(all_of_them))
            if ended:
                return
            batch.record_finished()  # out of the limit: nothing may interrupt a record
    except BaseException:
        all_of_them.get_loop().call_soon_threadsafe(all_of_them.cancel)
        raise


async def _begin(attempts: Sequence[Attempt]) -> asyncio.Task[None]:
    return asyncio.create_task(_all_of(attempts))


async def _all_of(attempts: Sequence[Attempt]) -> None:
    for error in await asyncio.gather(*attempts, return_exceptions=True):
        if error is not None:
            logger.error("delivery.unfinished", exc_info=error)


async def _ended(task: asyncio.Task[None]) -> bool:
    ended, _ = await asyncio.wait({task}, timeout=RECORD_SECONDS)
    return bool(ended)
