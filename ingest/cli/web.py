"""``hookkeeper web``: the receiver, by uvicorn."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import os
from typing import Annotated

import typer


def web(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(help="Receiver processes on the port.", min=1)] = 1,
    fd: Annotated[
        int | None, typer.Option(help="An inherited listening socket, instead of a port.")
    ] = None,
    ready_fd: Annotated[
        int | None, typer.Option(help="An inherited pipe that is told when this serves.")
    ] = None,
) -> None:
    """Run the receiver: POST /in/{source}."""
    import gc

    from ingest.writer import spawning

    # It loads while this process does. Of several receivers each starts its own.
    early = spawning.start(spawning.spawn) if workers == 1 else None
    gc.disable()  # imports make no garbage, and to look for it is a seventh of the start
    from ingest.cli.serving import serve

    gc.enable()
    for name, value in (("HOST", host), ("PORT", port)):
        if value is not None:
            os.environ[f"HOOKKEEPER_{name}"] = str(value)  # the application reads it, spawned too
    serve(workers, early, inherited=fd, ready=ready_fd)
