"""The receiver under uvicorn, which tells who started it when it serves."""

import asyncio
import contextlib
import os
import socket
from functools import partial
from pathlib import Path

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from ingest.app import create_app
from ingest.cli.listening import BACKLOG, listen
from ingest.cli.open_files import allow_open_files
from ingest.cli.successor import READY
from ingest.config.settings import load_settings
from ingest.connection import CONNECTIONS
from ingest.logs import configure
from ingest.writer.spawning import Started

logger = structlog.get_logger(__name__)

#: A request whose connection has begun is answered within this, or lost with its connection.
_GRACEFUL_SECONDS = 10
#: For the connections that are served, and as many again that are being told to come back.
_FILES_A_CONNECTION = 2

#: After the listening socket was closed: what it had accepted is a connection by then.
_ACCEPTED_SECONDS = 0.05


class Announcing(uvicorn.Server):
    """``ready``: a descriptor that gets READY once requests are answered; None: nobody asks."""

    def __init__(self, config: uvicorn.Config, ready: int | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so. A start that failed closes the descriptor with the process."""
        await super().startup(sockets)
        if self.started and self._ready is not None:
            with contextlib.suppress(OSError):  # nobody waits any more
                os.write(self._ready, READY)
            os.close(self._ready)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and tell also the connections that were being accepted in that moment.

        uvicorn tells those that it knows. One that comes after would stay open as if nothing
        were, and its sender's next request would break off with the process.
        """
        asyncio.get_running_loop().call_later(_ACCEPTED_SECONDS, self._tell_the_last)
        await super().shutdown(sockets)

    def _tell_the_last(self) -> None:
        for connection in list(self.server_state.connections):
            connection.shutdown()


def serve(workers: int, early: Started | None, *, inherited: int | None, ready: int | None) -> None:
    """Receive until told to stop. Raises ConfigError, and SystemExit where it cannot start.

    ``inherited``: a listening socket in place of one of its own; ``ready``: see Announcing.
    """
    settings = load_settings(os.environ, Path.cwd())
    configure(settings.log_level, settings.log_format)
    _allow_files()
    # uvicorn's own --fd takes every socket for a unix one, and so forgets who the client is.
    listener = (
        listen(settings.host, settings.port)
        if inherited is None
        else socket.socket(fileno=inherited)
    )
    bound = listener.getsockname()
    if not settings.port:  # any free one: the application has to know which, spawned too
        os.environ["HOOKKEEPER_PORT"] = str(bound[1])
    logger.info("receiver.listening", host=bound[0], port=bound[1])
    config = _configured(workers, early)
    if workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    server = Announcing(config, ready)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(3)


def _allow_files() -> None:
    files = allow_open_files(CONNECTIONS * _FILES_A_CONNECTION)
    if files <= CONNECTIONS:
        hint = "Raise its hard limit (LimitNOFILE= of systemd, nofile in limits.conf)."
        logger.warning("receiver.few_files", files=files, connections=CONNECTIONS, hint=hint)


def _configured(workers: int, early: Started | None) -> uvicorn.Config:
    return uvicorn.Config(
        # By its name where processes of their own have to find it.
        "ingest.app:create_app" if workers > 1 else partial(create_app, early=early),
        factory=True,
        loop="uvloop",
        http="ingest.connection:Connection",
        ws="none",
        lifespan="on",
        workers=workers,
        log_config=None,
        log_level="warning",  # its good news is ours to tell, in one line
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
    )
