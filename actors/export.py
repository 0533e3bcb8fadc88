"""The jobs of an export: plan it, write its chunks side by side, and close it with a manifest.

The plan lies in the place that is exported to, so that a chunk's job has no more arguments than
where that is and which chunk it is. Each may run twice: it writes what it wrote before.
"""

from collections.abc import Sequence
from typing import Any

from ingest.errors import Permanent
from ingest.export import exporting, manifest
from ingest.export.chunks import made_at
from ingest.export.filters import Refused, chosen, read_filter
from ingest.export.formats import Format
from ingest.export.manifest import Manifest, Request
from ingest.export.places import open_place
from ingest.export.schema import Dataset
from ingest.jobs.context import JobContext
from ingest.jobs.specs import job
from ingest.jobs.workflow import chord
from ingest.store.export_rows import stored_sources

#: Of one chunk: seconds of work, and an upload that is tried again meanwhile.
_LIMIT_SECONDS = 1_800


@job(name="export", time_limit=_LIMIT_SECONDS)
def export(
    context: JobContext,
    to: str,
    *,
    dataset: str = "events",
    format: str = "parquet",  # noqa: A002 - the word for it everywhere
    source: str | None = None,
    types: Sequence[str] = (),
    state: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """Plan an export and start its chunks; the arguments are those of ``hookkeeper export``.

    Returns its name, how many rows it will have, and the id of the job that ends it, whose result
    is that of the export.
    """
    try:
        wanted = chosen("dataset", Dataset, dataset)
        sources = stored_sources(context.database)
        filter_ = read_filter(wanted, source=source, types=types, state=state, sources=sources)
        request = Request(wanted, chosen("format", Format, format), filter_, since, until)
        # From when the job was made: another start of it must mean the same rows.
        now = made_at(context.job_id)
        planned = exporting.prepare(context.database, open_place(to), request, now)
    except Refused as refused:
        raise Permanent(str(refused)) from None
    if isinstance(planned, Manifest):
        return _figures(planned)
    last = export_manifest.s(to, planned.id)
    chunks = [export_chunk.s(to, planned.id, chunk.number) for chunk in planned.chunks]
    ids = context.enqueue(chord(chunks, last) if chunks else last)
    return {"export": planned.id, "rows": planned.rows, "ended_by": ids[-1]}


@job(name="export_chunk", time_limit=_LIMIT_SECONDS)
def export_chunk(context: JobContext, to: str, export_id: str, number: int) -> dict[str, int]:
    """Write one chunk of an export."""
    place = open_place(to)
    planned = exporting.read_plan(place, export_id)
    chunk = planned.chunks[number]
    written = exporting.write_chunk(
        context.database, place, planned, chunk, lambda rows: context.progress(rows, chunk.rows)
    )
    return {"chunk": number, "rows": written.rows, "files": len(written.files)}


@job(name="export_manifest", time_limit=_LIMIT_SECONDS)
def export_manifest(context: JobContext, to: str, export_id: str) -> dict[str, Any]:
    """Close an export, once all of its chunks are written."""
    place = open_place(to)
    if (done := exporting.read_manifest(place, export_id)) is not None:
        return _figures(done)  # an earlier start came as far as that
    planned = exporting.read_plan(place, export_id)
    written = exporting.written_chunks(place, planned)
    return _figures(exporting.finish(context.database, place, planned, written))


def _figures(done: Manifest) -> dict[str, Any]:
    return {
        "export": done.export,
        "rows": done.rows,
        "bytes": done.bytes,
        "files": len(done.files),
        "manifest": manifest.manifest_name(done.export),
    }
