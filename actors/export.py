"""The jobs of an export: plan it, write its chunks side by side, and close it with a manifest.

``export`` is the whole of it for whoever asked: it plans, makes the others, and rests while they
work; it tells how far they are and ends as they end. They look after it in turn: once it has
ended otherwise, or is paused, so do they.

The plan lies in the place that is exported to, so that a chunk's job has no more arguments than
where that is and which chunk it is. Each may run twice: it writes what it wrote before.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog

from ingest.errors import Permanent, StoreUnavailable
from ingest.export import exporting, manifest
from ingest.export.manifest import Manifest
from ingest.export.places import open_place
from ingest.export.words import read_request
from ingest.export.writing import write_chunk
from ingest.filters import Refused, spelled
from ingest.jobs.context import Cancelled, JobContext
from ingest.jobs.specs import job
from ingest.jobs.states import FINAL, JobState
from ingest.jobs.workflow import chord
from ingest.store import export_jobs, jobs
from ingest.store.filtering import stored_sources
from ingest.store.ids import made_at
from ingest.store.job_rows import JobRow

logger = structlog.get_logger(__name__)

#: Of one chunk: seconds of work, and an upload that is tried again meanwhile.
_LIMIT_SECONDS = 1_800
#: Between two looks of an export at its chunks, and of a chunk at its export.
LOOK_SECONDS = 1.0
#: One that takes long is looked at less often: after a thirtieth of its age, and so at the most.
_LOOKS_OF_AN_AGE = 30
_LONGEST_LOOK_SECONDS = 10.0
#: Until a chunk of a paused export looks whether it is resumed, or cancelled.
_PAUSED_SECONDS = 10.0
#: A database that is away costs no try of an export that may take hours.
_AWAY_SECONDS = 5.0


# One at a time, where it does not rest: two must not plan the same rows.
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
    """Export rows; the arguments are those of ``hookkeeper export``.

    Returns what the manifest says, in figures. From "last" on there may be nothing, and then
    nothing is written. One that is being written already is followed, not started again.
    """
    words: dict[str, Any] = {
        "dataset": dataset,
        "format": format,
        "source": source,
        "types": types,
        "state": state,
        "destination": destination,
        "since": since,
        "until": until,
    }
    try:
        # Told before any job was made: a start that follows a killed one knows what to look for.
        name = context.earlier.message
        done = _plan(context, to, words) if name is None else _follow(context, to, name)
    except Refused as refused:
        raise Permanent(str(refused)) from None
    except StoreUnavailable as error:
        logger.warning("export.waits_for_database", error=str(error))
        context.rest(_AWAY_SECONDS)
    if done is None:
        context.rest(0.0 if name is None else _look_seconds(context))
    return done


@job(name="export_chunk", time_limit=_LIMIT_SECONDS)
def export_chunk(
    context: JobContext, to: str, export_id: str, number: int, *, asked_by: str
) -> dict[str, int]:
    """Write one chunk of an export, unless it is there."""
    _heed(context, asked_by)
    place = open_place(to)
    if exporting.read_manifest(place, export_id) is not None:
        return {"chunk": number, "rows": 0, "files": 0}  # another run has closed it meanwhile
    planned = exporting.read_plan(place, export_id)
    chunk = planned.chunks[number]
    written = exporting.read_chunk(place, planned, number)
    if written is None:
        told = _heeding(context, asked_by, chunk.rows)
        written = write_chunk(context.database, place, planned, chunk, told)
    else:
        context.progress(written.rows, chunk.rows)
    return {"chunk": number, "rows": written.rows, "files": len(written.files)}


@job(name="export_manifest", time_limit=_LIMIT_SECONDS)
def export_manifest(
    context: JobContext, to: str, export_id: str, *, asked_by: str
) -> dict[str, Any]:
    """Close an export, once all of its chunks are written."""
    _heed(context, asked_by)
    place = open_place(to)
    if (done := exporting.read_manifest(place, export_id)) is not None:
        return _figures(done)  # an earlier start came as far as that
    planned = exporting.read_plan(place, export_id)
    written = exporting.written_chunks(place, planned)
    return _figures(exporting.finish(context.database, place, planned, written))


def _plan(context: JobContext, to: str, words: dict[str, Any]) -> dict[str, Any] | None:
    """Plan the export and tell its name; its figures, where nothing is left to write."""
    stored = stored_sources(context.database)
    is_from_last = words["since"] == exporting.LAST
    # One that goes on and on may begin before its source sent anything.
    sources = [words["source"] or "", *stored] if is_from_last else stored
    request = read_request(**words, sources=sources)
    # From when the job was made: another start of it must mean the same rows.
    now = made_at(context.job_id)
    place = open_place(to)
    if is_from_last and exporting.nothing_new(context.database, place, request, now):
        return {"rows": 0}
    planned = exporting.prepare(context.database, place, request, now)
    if isinstance(planned, Manifest):
        return _figures(planned)
    if not planned.chunks:
        return _figures(exporting.finish(context.database, place, planned, {}))
    context.progress(0, planned.rows, step="planned", message=planned.id)
    return None


def _follow(context: JobContext, to: str, name: str) -> dict[str, Any] | None:
    """Look how far the export is, and tell; its figures, once it is written.

    Raises Permanent where a job of this one's own has failed for good. Where those failed that
    another one made, its own go on from there.
    """
    db = context.database
    last = export_manifest.s(to, name, asked_by=context.job_id)
    closing = export_jobs.closing_of(db, last, context.job_id)
    if closing is None and (closing := export_jobs.unended_closing(db, last)) is None:
        if (done := exporting.read_manifest(open_place(to), name)) is not None:
            return _figures(done)
        closing = _begin(context, to, name)
    if closing.state is JobState.SUCCESS:
        figures: dict[str, Any] = orjson.loads(closing.result or "{}")
        context.progress(figures["rows"], context.earlier.total, step="written", message=name)
        return figures
    if closing.state in FINAL:
        raise Permanent(_reason(export_jobs.culprit(db, closing)))
    rows = export_jobs.rows_told(db, closing)
    context.progress(rows, context.earlier.total, step="writing", message=name)
    return None


def _look_seconds(context: JobContext) -> float:
    age_seconds = time.time() - made_at(context.job_id) / 1_000
    return max(LOOK_SECONDS, min(_LONGEST_LOOK_SECONDS, age_seconds / _LOOKS_OF_AN_AGE))


def _begin(context: JobContext, to: str, name: str) -> JobRow:
    """Make the jobs of a planned export; the one that closes it."""
    planned = exporting.read_plan(open_place(to), name)
    asked_by = context.job_id
    chunks = [export_chunk.s(to, name, one.number, asked_by=asked_by) for one in planned.chunks]
    *_, last_id = context.enqueue(chord(chunks, export_manifest.s(to, name, asked_by=asked_by)))
    closing = jobs.get_job(context.database, last_id)
    assert closing is not None, last_id
    return closing


def _heed(context: JobContext, asked_by: str) -> None:
    """Stop where the export was cancelled or has failed, and wait where it is paused."""
    asker = jobs.get_job(context.database, asked_by)
    if asker is None or asker.state in FINAL or asker.cancel_requested_at is not None:
        raise Cancelled
    if asker.paused_at is not None:
        context.rest(_PAUSED_SECONDS)


def _heeding(context: JobContext, asked_by: str, total: int) -> Callable[[int], None]:
    """Return what tells how many rows are read, and heeds the export once a second."""
    looked_at = time.monotonic()

    def told(rows: int) -> None:
        nonlocal looked_at
        context.progress(rows, total)
        if time.monotonic() - looked_at >= LOOK_SECONDS:
            _heed(context, asked_by)
            looked_at = time.monotonic()

    return told


def _reason(culprit: JobRow) -> str:
    given = orjson.loads(culprit.arguments)["args"]
    part = f"chunk {given[2]}" if culprit.kind == "export_chunk" else "the manifest"
    return (
        f"{part} (job {culprit.id}): {culprit.error_message} What is written stays; the same "
        "export goes on behind it."
    )


def _figures(done: Manifest) -> dict[str, Any]:
    return {
        "export": done.export,
        "rows": done.rows,
        "bytes": done.bytes,
        "files": len(done.files),
        "until": spelled(done.range.until),
        "manifest": manifest.manifest_name(done.export),
    }
