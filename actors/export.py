"""The jobs of an export: plan it, write its chunks side by side, and close it with a manifest.

The plan lies in the place that is exported to, so that a chunk's job has no more arguments than
where that is and which chunk it is. Each may run twice: it writes what it wrote before.
"""

from collections.abc import Sequence
from typing import Any

from ingest.errors import Permanent
from ingest.export import exporting, manifest
from ingest.export.manifest import Manifest
from ingest.export.places import open_place
from ingest.export.words import read_request
from ingest.export.writing import write_chunk
from ingest.filters import Refused
from ingest.jobs.context import JobContext
from ingest.jobs.specs import job
from ingest.jobs.workflow import chord
from ingest.store.filtering import stored_sources
from ingest.store.ids import made_at
from ingest.store.jobs import unended

#: Of one chunk: seconds of work, and an upload that is tried again meanwhile.
_LIMIT_SECONDS = 1_800


# One at a time: two must not plan the same rows.
@job(name="export", time_limit=_LIMIT_SECONDS, concurrency=1)
def export(
    context: JobContext,
    to: str,
    *,
    dataset: str = "events",
    format: str = "parquet",  # noqa: A002 - the word for it everywhere
    source: str | None = None,
    types: Sequence[str] = (),
    state: str | None = None,
    destination: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """Plan an export and start its chunks; the arguments are those of ``hookkeeper export``.

    Returns its name, how many rows it will have, and the id of the job that ends it, whose result
    is that of the export. One that is being written goes on and is not started again; from "last"
    on there may be nothing, and then nothing is written.
    """
    stored = stored_sources(context.database)
    try:
        request = read_request(
            dataset=dataset,
            format=format,
            source=source,
            types=types,
            state=state,
            destination=destination,
            since=since,
            until=until,
            # One that goes on and on may begin before its source sent anything.
            sources=[source or "", *stored] if since == exporting.LAST else stored,
        )
        # From when the job was made: another start of it must mean the same rows.
        now = made_at(context.job_id)
        place = open_place(to)
        if since == exporting.LAST and exporting.nothing_new(context.database, place, request, now):
            return {"rows": 0}
        planned = exporting.prepare(context.database, place, request, now)
    except Refused as refused:
        raise Permanent(str(refused)) from None
    if isinstance(planned, Manifest):
        return _figures(planned)
    last = export_manifest.s(to, planned.id)
    if (running := unended(context.database, last)) is not None:
        return {"export": planned.id, "rows": planned.rows, "ended_by": running}
    chunks = [export_chunk.s(to, planned.id, chunk.number) for chunk in planned.chunks]
    ids = context.enqueue(chord(chunks, last) if chunks else last)
    return {"export": planned.id, "rows": planned.rows, "ended_by": ids[-1]}


@job(name="export_chunk", time_limit=_LIMIT_SECONDS)
def export_chunk(context: JobContext, to: str, export_id: str, number: int) -> dict[str, int]:
    """Write one chunk of an export."""
    place = open_place(to)
    if exporting.read_manifest(place, export_id) is not None:
        return {"chunk": number, "rows": 0, "files": 0}  # another run has closed it meanwhile
    planned = exporting.read_plan(place, export_id)
    chunk = planned.chunks[number]
    written = write_chunk(
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
