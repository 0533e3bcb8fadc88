"""``hookkeeper export``: events or deliveries as files, written by this process."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import refusal
from ingest.cli.output import Json
from ingest.cli.progress import bar

if TYPE_CHECKING:
    from ingest.export.exporting import Outcome

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
    destination: Annotated[
        str | None, typer.Option(help="Only deliveries to this destination.")
    ] = None,
    since: Annotated[str | None, typer.Option(help=_SINCE)] = None,
    until: Annotated[str | None, typer.Option(help="Until then; a minute ago at most.")] = None,
    as_json: Json = False,
) -> None:
    """Write events or deliveries to files: Parquet, JSONL or CSV.

    One that was cut off goes on where it was, when the same command runs again.
    """
    from ingest.cli.located import located_database, located_settings
    from ingest.export.exporting import run
    from ingest.export.places import open_place
    from ingest.export.words import read_request
    from ingest.export.writing import collect_rarely
    from ingest.filters import Refused
    from ingest.store.filtering import stored_sources

    settings = located_settings()
    to = to or str(settings.data / "exports")
    with located_database(settings) as database:
        try:
            request = read_request(
                dataset=dataset,
                format=format_,
                source=source,
                types=types or (),
                state=state,
                destination=destination,
                since=since,
                until=until,
                sources=stored_sources(database),
            )
            place = open_place(to)
            collect_rarely()
            with bar("rows") as progress:
                outcome = run(database, place, request, progress, to)
        except Refused as refused:
            raise refusal(refused) from None
    _tell(outcome, to, as_json=as_json)


def _tell(outcome: "Outcome", to: str, *, as_json: bool) -> None:
    from ingest.export.manifest import manifest_name
    from ingest.filters import spelled

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
