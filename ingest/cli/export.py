"""``hookkeeper export``: events or deliveries as files, written by this process."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.export.exporting import Outcome, Progress
    from ingest.export.manifest import Request
    from ingest.store import Database

_SINCE = 'From then on: "7d" ago, a time (ISO 8601, UTC), or "last": where the last one ended.'


def export(
    dataset: Annotated[str, typer.Argument(help="What: events or deliveries.")] = "events",
    to: Annotated[
        str | None,
        typer.Option(help="A directory, s3://BUCKET/..., gs://... or az://...; else data/exports."),
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="parquet, jsonl or csv.")] = "parquet",
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help='Only of this type, or of "issues.*"; repeat it for more.'),
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    since: Annotated[str | None, typer.Option(help=_SINCE)] = None,
    until: Annotated[str | None, typer.Option(help="Until then; a minute ago at most.")] = None,
    as_json: Json = False,
) -> None:
    """Write events or deliveries to files: Parquet, JSONL or CSV.

    One that was cut off goes on where it was, when the same command runs again.
    """
    from ingest.cli.located import located_database, located_settings
    from ingest.export.exporting import run
    from ingest.export.filters import Refused
    from ingest.export.places import open_place

    settings = located_settings()
    to = to or str(settings.data / "exports")
    with located_database(settings) as database:
        try:
            request = _request(database, dataset, format_, source, types or [], state, since, until)
            place = open_place(to)
            with _progress() as progress:
                outcome = run(database, place, request, progress)
        except Refused as refused:
            option = "DATASET" if refused.field == "dataset" else f"--{refused.field}"
            raise CommandFailed(f"{option}: {refused.reason}.", Exit.USAGE) from None
    _tell(outcome, to, as_json=as_json)


def _request(
    database: "Database",
    dataset: str,
    format_: str,
    source: str | None,
    types: list[str],
    state: str | None,
    since: str | None,
    until: str | None,
) -> "Request":
    from ingest.export.filters import chosen, read_filter
    from ingest.export.formats import Format
    from ingest.export.manifest import Request
    from ingest.export.schema import Dataset
    from ingest.store.export_rows import stored_sources

    wanted = chosen("dataset", Dataset, dataset)
    filter_ = read_filter(
        wanted, source=source, types=types, state=state, sources=stored_sources(database)
    )
    return Request(wanted, chosen("format", Format, format_), filter_, since, until)


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A bar on stderr where that is a terminal; nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), "rows", TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell(outcome: "Outcome", to: str, *, as_json: bool) -> None:
    from ingest.export.filters import spelled
    from ingest.export.manifest import manifest_name

    written = outcome.manifest
    name = manifest_name(written.export)
    if as_json:
        figures = {"rows": written.rows, "files": len(written.files), "bytes": written.bytes}
        said = {"kept_chunks": outcome.kept, "was_finished": outcome.was_finished}
        range_ = {"since": written.range.since, "until": written.range.until}
        output.document({"to": to, "manifest": name, **range_, **figures, **said})
        return
    begin = "the beginning" if not written.range.since else spelled(written.range.since)
    print(
        f"{written.rows:,} {written.request.dataset} from {begin} to "
        f"{spelled(written.range.until)} are in {to}: "
        f"{output.counted(len(written.files), 'file')}, {written.bytes:,} bytes."
    )
    if outcome.was_finished:
        print("They were there already; nothing was written.")
    if outcome.kept:
        print(f"{output.counted(outcome.kept, 'chunk')} had been written before.")
    print(f"Manifest: {name}")
