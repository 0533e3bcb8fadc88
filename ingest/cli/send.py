"""``hookkeeper send``: post a signed sample to a running pipeline, as its provider would."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from pathlib import Path
from typing import Annotated

import typer

from ingest.cli.output import Json


def send(
    provider: Annotated[str, typer.Argument(help="A provider, as in hookkeeper.toml.")],
    event: Annotated[
        str | None, typer.Argument(help="A sample's name; default: one that fits.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="The source to post to.")] = None,
    body: Annotated[Path | None, typer.Option(help="Send this file instead of a sample.")] = None,
    count: Annotated[int, typer.Option(help="How many to send, each with its own id.", min=1)] = 1,
    url: Annotated[str | None, typer.Option(help="Post here instead of the pipeline.")] = None,
    as_json: Json = False,
) -> None:
    """Post a signed sample to the running pipeline.

    Prints its answer. The secret is the one of the source in hookkeeper.toml.
    """
    from ingest.cli.located import located_settings
    from ingest.cli.located_config import located_config
    from ingest.cli.posting import Parcel, chosen_sample, chosen_source, post
    from ingest.cli.readiness import origin

    settings = located_settings()
    found = chosen_source(located_config(settings), provider, source)
    sample = chosen_sample(found.provider.slug, event, body)
    target = url or f"{origin(settings.host, settings.port)}/in/{found.name}"
    if not post(Parcel(found, sample, target, body is not None), count, as_json=as_json):
        raise typer.Exit(1)
