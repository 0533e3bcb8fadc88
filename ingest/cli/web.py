"""``hookkeeper web``: the receiver, by uvicorn."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import os
from pathlib import Path
from typing import Annotated

import typer

#: A request whose connection has begun is answered within this, or lost with its connection.
_GRACEFUL_SECONDS = 10
#: For the connections that are served, and as many again that are being told to come back.
_FILES_A_CONNECTION = 2


def web(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(help="Receiver processes on the port.", min=1)] = 1,
    fd: Annotated[
        int | None, typer.Option(help="An inherited listening socket, instead of a port.")
    ] = None,
) -> None:
    """Run the receiver: POST /in/{source}."""
    import socket

    import structlog
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from ingest.cli.listening import BACKLOG, listen
    from ingest.cli.open_files import allow_open_files
    from ingest.config.settings import load_settings
    from ingest.connection import CONNECTIONS
    from ingest.logs import configure

    for name, value in (("HOST", host), ("PORT", port)):
        if value is not None:
            os.environ[f"HOOKKEEPER_{name}"] = str(value)  # the application reads it, spawned too
    settings = load_settings(os.environ, Path.cwd())
    configure(settings.log_level, settings.log_format)
    log = structlog.get_logger(__name__)
    files = allow_open_files(CONNECTIONS * _FILES_A_CONNECTION)
    if files <= CONNECTIONS:
        hint = "Raise its hard limit (LimitNOFILE= of systemd, nofile in limits.conf)."
        log.warning("receiver.few_files", files=files, connections=CONNECTIONS, hint=hint)
    # uvicorn's own --fd takes every socket for a unix one, and so forgets who the client is.
    listener = listen(settings.host, settings.port) if fd is None else socket.socket(fileno=fd)
    bound = listener.getsockname()
    log.info("receiver.listening", host=bound[0], port=bound[1])
    config = uvicorn.Config(
        "ingest.app:create_app",
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
    if workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(3)
