"""``hookkeeper up``: run the whole pipeline of a folder on one machine."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ingest.cli.output import Json


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of each worker process.")] = None,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline of this folder.

    That is the receiver, workers, scheduler, console and, where none is given, a private Redis.
    Without hookkeeper.toml it writes a demo one. Ctrl-C stops everything in order, a second one
    at once.
    """
    import asyncio

    from ingest.cli.folder import take
    from ingest.cli.supervisor import prepare
    from ingest.config.settings import load_settings
    from ingest.logs import configure

    environ = dict(os.environ)
    options = {"HOST": host, "PORT": port, "WORKERS": workers, "THREADS": threads}
    for name, value in options.items():
        if value is not None:
            environ[f"HOOKKEEPER_{name}"] = str(value)
    if sys.stdout.isatty() and not as_json:
        environ.setdefault("HOOKKEEPER_LOG_FORMAT", "console")
    folder = take(load_settings(environ, Path.cwd()).data)
    folder.forget()  # before settings are read for good: what ran here last no longer counts
    settings = load_settings(environ, Path.cwd())
    configure(settings.log_level, settings.log_format)
    try:
        supervisor = prepare(settings, environ, folder, as_json=as_json)
        asyncio.run(supervisor.run())
    finally:
        folder.forget()
