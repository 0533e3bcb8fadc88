"""``hookkeeper console``: the API for operators and programs, on a loopback port, by uvicorn."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import os
from pathlib import Path
from typing import Annotated

import typer

#: The only address it is bound to: from elsewhere, come through a tunnel.
LOOPBACK = "127.0.0.1"
#: Streams and long polls are not waited for; their clients come again.
_GRACEFUL_SECONDS = 2


def console(
    port: Annotated[int | None, typer.Option(help="Loopback port to listen on.")] = None,
    fd: Annotated[
        int | None, typer.Option(help="An inherited listening socket, instead of a port.")
    ] = None,
    ready_fd: Annotated[
        int | None, typer.Option(help="An inherited pipe that is told when this serves.")
    ] = None,
) -> None:
    """Run the console: /api/v1 for operators and programs."""
    import socket

    import structlog
    import uvicorn

    from ingest import exposition
    from ingest.cli.listening import listen
    from ingest.cli.serving import Announcing
    from ingest.config.settings import load_settings
    from ingest.logs import configure

    if port is not None:
        os.environ["HOOKKEEPER_CONSOLE_PORT"] = str(port)
    settings = load_settings(os.environ, Path.cwd())
    configure(settings.log_level, settings.log_format)
    if fd is None:
        setting = "HOOKKEEPER_CONSOLE_PORT"
        listener = listen(LOOPBACK, settings.console_port, setting=setting)
    else:
        listener = socket.socket(fileno=fd)
    structlog.get_logger(__name__).info("console.listening", port=listener.getsockname()[1])
    config = uvicorn.Config(
        "ingest.console.app:create_app",
        factory=True,
        loop="uvloop",
        http="ingest.connection:Connection",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",  # its good news is ours to tell, in one line
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
    )
    server = Announcing(config, ready_fd)
    directory = settings.data / "metrics"
    metrics = exposition.serve(settings.metrics_host, settings.metrics_port, directory)
    server.run(sockets=[listener])
    metrics.stop()
    if not server.started:
        raise SystemExit(3)
