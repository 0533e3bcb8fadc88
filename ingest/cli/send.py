"""``hookkeeper send``: post a signed event to a running pipeline, as its provider would."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from pathlib import Path
from typing import Annotated

import typer

from ingest.cli.output import Json


def send(
    provider: Annotated[
        str | None, typer.Argument(help="A provider, as in hookkeeper.toml.")
    ] = None,
    event: Annotated[
        str | None, typer.Argument(help="A sample's name, or a type; default: one that fits.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="The source to post to.")] = None,
    body: Annotated[Path | None, typer.Option(help="Send this file instead of a sample.")] = None,
    count: Annotated[int, typer.Option(help="How many to send, each with its own id.", min=1)] = 1,
    url: Annotated[str | None, typer.Option(help="Post here instead of the pipeline.")] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the samples there are; send nothing.")
    ] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a key pair to try it with; send nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Post a signed sample to the running pipeline.

    Prints its answer. The secret is the one of the source in hookkeeper.toml.
    """
    from ingest.cli.located import located_settings
    from ingest.cli.sending import list_samples, say_new_key, send_event

    if listed:
        list_samples(provider, as_json=as_json)
        return
    if provider is None:
        raise typer.BadParameter("which provider? --list shows those with samples")
    settings = located_settings()
    if new_key:
        say_new_key(settings.data, provider, as_json=as_json)
    elif not send_event(settings, provider, event, source, body, count, url, as_json=as_json):
        raise typer.Exit(1)
