"""The life of an application as its server tells it (ASGI's lifespan protocol).

https://asgi.readthedocs.io/en/latest/specs/lifespan.html. Starlette's own sends a traceback for a
reason not to start; people get our message instead.
"""

from typing import Protocol

from starlette.types import Receive, Send

from ingest.errors import HookkeeperError


class Living(Protocol):
    """What is started before the first request and stopped after the last."""

    async def start(self) -> None:
        """Begin. Raises HookkeeperError where it must not."""

    async def stop(self) -> None:
        """Finish what was begun."""


async def live(living: Living, receive: Receive, send: Send) -> None:
    """Start, wait for the server to stop, and stop."""
    await receive()
    try:
        await living.start()
    except HookkeeperError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await living.stop()
    await send({"type": "lifespan.shutdown.complete"})
