"""``hookkeeper verify``: whether a request is what its provider signed, and which step says no."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import Annotated

import typer

from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json


def verify(
    provider: Annotated[
        str | None, typer.Argument(help="A provider of the catalogue, or a source's name.")
    ] = None,
    body: Annotated[str, typer.Option(help="The file with the body; -: standard input.")] = "-",
    header: Annotated[
        list[str] | None, typer.Option(help="A header, as 'Name: value'; may be repeated.")
    ] = None,
    secret: Annotated[
        list[str] | None, typer.Option(help="env:NAME or file:PATH; may be repeated.")
    ] = None,
    url: Annotated[str, typer.Option(help="The URL as the sender called it.")] = "/",
    method: Annotated[str, typer.Option(help="The request's method.")] = "POST",
    ignore_time: Annotated[
        bool, typer.Option("--ignore-time", help="Do not look at the age of a timestamp.")
    ] = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Judge one JSON request a line of standard input.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a request's signature, and say which step failed.

    For a source of hookkeeper.toml the secrets are its own. Exit code 1: not valid.
    """
    from ingest.cli.verifying import Given, judge, judge_lines

    if jsonl:
        judge_lines()
        return
    if provider is None:
        raise CommandFailed("name a provider or a source, or pass --jsonl.", Exit.USAGE)
    given = Given(method, url, tuple(header or ()), body, tuple(secret or ()), not ignore_time)
    if not judge(provider, given, as_json=as_json):
        raise typer.Exit(Exit.FAILED)
