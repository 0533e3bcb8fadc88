"""Exports by request: checked as the command line checks them, then made as a job."""

from typing import Any, Literal

from pydantic import Field
from starlette.responses import Response

from ingest.console.asking import Asked, IdempotencyKey
from ingest.console.desk import Desk
from ingest.console.keeping import MadeJob, keep, new_id, planned
from ingest.console.operations import Operation
from ingest.console.refusals import invalid
from ingest.console.wanted import RowsBody, Words
from ingest.errors import ConfigError
from ingest.export.exporting import LAST
from ingest.export.formats import Format, parquet_writer
from ingest.export.places import LocalPlace, PlaceUnavailable, open_place
from ingest.export.words import read_request
from ingest.filters import read_range
from ingest.jobs.workflow import Call
from ingest.store.filtering import stored_sources
from ingest.store.ids import made_at


class ExportBody(RowsBody):
    """What to export, as what, and to where."""

    to: Words | None = Field(
        default=None,
        description="A place that [exports] of hookkeeper.toml allows, or inside of one; null: the "
        "first of them.",
    )
    format: Literal["parquet", "jsonl", "csv"] = "parquet"
    since: Words | None = Field(
        default=None,
        description='As for until; "last": from where the last export of the same rows ended.',
    )


class MakeExport(Asked):
    """An export that is to be made."""

    body: ExportBody = ExportBody()
    idempotency_key: IdempotencyKey | None = None


def make_export(desk: Desk, asked: MakeExport) -> Response:
    """Check everything that can be known now; what the place holds, the job finds."""
    words = asked.body.words()
    to = desk.export_place(words.pop("to", None))
    job_id = new_id()
    request = read_request(**words, sources=stored_sources(desk.database))
    since = None if request.since == LAST else request.since
    read_range(since, request.until, made_at(job_id))
    plan = planned(desk, Call("export", (to,), words), job_id, "types")
    _check_place(to, request.format)
    return keep(desk, plan, asked.idempotency_key)


def _check_place(to: str, format_: Format) -> None:
    """Refuse what needs a package that is not there, and a directory that cannot be written."""
    try:
        if format_ is Format.PARQUET:
            parquet_writer()
    except ConfigError as error:
        raise invalid("format", str(error)) from None
    try:
        place = open_place(to)
        if isinstance(place, LocalPlace):  # a bucket may take a minute to answer: the job asks it
            place.check()
    except (ConfigError, PlaceUnavailable) as error:
        raise invalid("to", str(error)) from None


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="POST",
        path="/api/v1/exports",
        name="make_export",
        tag="exports",
        summary="Export events or deliveries to files, as a job that ends when they are written.",
        asks=MakeExport,
        does=make_export,
        answers={202: MadeJob},
        refuses=(409,),
    ),
)
