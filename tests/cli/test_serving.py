"""A server that stops tells every connection, the one that is just being accepted too."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.lifespan.off import LifespanOff

from ingest.cli.serving import Announcing


class Late:
    """Stands in for a connection of which the server learns after it began to stop."""

    def __init__(self, server: Announcing) -> None:
        self._open: set[Any] = server.server_state.connections
        self.told = 0

    def made(self) -> None:
        self._open.add(self)

    def shutdown(self) -> None:
        self.told += 1
        self._open.discard(self)


@pytest.mark.anyio
async def test_a_connection_that_was_being_accepted_is_told_of_the_stop() -> None:
    config = uvicorn.Config(
        "unused:app", lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = Announcing(config, None)
    server.lifespan = LifespanOff(config)
    server.servers = []
    late = Late(server)
    asyncio.get_running_loop().call_soon(late.made)  # after the server has told all that it knew
    await server.shutdown()
    assert late.told == 1
