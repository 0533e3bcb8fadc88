"""An export from its request to its manifest; what was cut off goes on where it was.

A chunk's files have the same names each time, and the document that says that a chunk is written
comes after them. So a chunk that was interrupted is written again over itself, and no other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ingest.events import TERMINAL, DeliveryState
from ingest.export import chunks, manifest
from ingest.export.chunks import DAY_MS, Chunk
from ingest.export.companion import Companion
from ingest.export.formats import Format, parquet_writer
from ingest.export.manifest import Export, Manifest, Request, WrittenChunk
from ingest.export.places import Place
from ingest.export.schema import SCHEMA_VERSION
from ingest.export.writing import put, write_chunk
from ingest.filters import Dataset, Range, Refused, read_range, spelled
from ingest.store import Database, export_rows
from ingest.store.ids import first_id, made_at

#: As ``since``: from where the last export of the same rows into the same place ended.
LAST = "last"

#: An export of deliveries from the last one on waits so long for those that have not ended: twice
#: the three days for which they are retried. What is older, such as what waits for a paused
#: destination, is exported as it is.
PATIENCE_MS = 7 * DAY_MS

#: (rows so far, rows in all)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished export; ``kept``: how many of its chunks an earlier run had written.

    ``was_finished``: an earlier run had written all of it.
    """

    manifest: Manifest
    kept: int = 0
    was_finished: bool = False


def run(
    db: Database, place: Place, request: Request, progress: Progress, to: str | None = None
) -> Outcome:
    """Write an export to its end, or what is missing of one that was cut off.

    ``to``: how ``open_place`` was asked for the place; then a second process writes as well, where
    that is faster. Raises Refused before anything is written, PlaceUnavailable and StoreUnavailable
    later; what is written then stays, and the same request goes on behind it.
    """
    export = prepare(db, place, request, _now(db))
    if isinstance(export, Manifest):
        return Outcome(export, was_finished=True)
    written = written_chunks(place, export)
    kept = len(written)
    progress(_rows(written), export.rows)
    missing = [chunk for chunk in export.chunks if chunk.number not in written]
    with Companion(db, to, export, missing) as companion:

        def write(chunk: Chunk) -> WrittenChunk:
            own = _rows(written)

            def told(rows: int) -> None:
                progress(own + companion.rows + rows, export.rows)

            # Large bodies in both processes would be too much.
            return write_chunk(db, place, export, chunk, told, on_large=companion.end)

        for chunk in companion.left():
            written[chunk.number] = write(chunk)
    written |= companion.written
    progress(_rows(written), export.rows)
    return Outcome(finish(db, place, export, written), kept)


def prepare(db: Database, place: Place, request: Request, now: int) -> Export | Manifest:
    """Plan an export, or return the plan of the one that is unfinished, or its manifest.

    ``now`` (ms): the time that the words of the request count from; the same gives the same.
    Raises Refused where it cannot be, or its rows are in the place already; PlaceUnavailable.
    """
    if request.format is Format.PARQUET:
        parquet_writer()
    read_range(None if request.since == LAST else request.since, request.until, now)
    place.check()
    known = manifest.known_exports(place.names(manifest.FOLDER))
    for id_, is_finished in known.items():
        if not is_finished and (export := read_plan(place, id_)).request == request:
            return export
    range_ = _range(db, request, known, now)
    id_ = manifest.export_id(request, range_)
    if known.get(id_) and (done := read_manifest(place, id_)) is not None:
        return done
    _refuse_overlap(place, request, range_, known)
    export = Export(id_, request, range_, SCHEMA_VERSION, tuple(_cut(db, request, range_)))
    put(place, manifest.plan_name(id_), export, export.folder)
    return export


def nothing_new(db: Database, place: Place, request: Request, now: int) -> bool:
    """Whether an export from where the last one ended would be empty, and none is unfinished.

    So one that is asked for every minute leaves no manifest of nothing. Deliveries are new once
    they and all before them have ended, see ``PATIENCE_MS``. Raises as ``prepare``.
    """
    prefix = f"{request.dataset}-{request.digest}-"
    found = manifest.known_exports(place.names(manifest.FOLDER))
    known = {id_: finished for id_, finished in found.items() if id_.startswith(prefix)}
    end = read_range(None, request.until, now).until
    ends = [manifest.range_of(id_).until for id_ in known]
    if end in ends or not all(known.values()):
        return False
    if any(each > end for each in ends):
        return True  # a later one was faster
    range_ = _range(db, request, known, now)
    since, until = first_id(range_.since), first_id(range_.until)
    return export_rows.next_id(db, request.dataset, request.filter, since, until) is None


def read_plan(place: Place, id_: str) -> Export:
    """Return an export that was planned. Raises HookkeeperError where there is none."""
    return manifest.from_json(Export, place.read(manifest.plan_name(id_)) or b"")


def read_manifest(place: Place, id_: str) -> Manifest | None:
    """Return what an export came to; None where it is not finished."""
    text = place.read(manifest.manifest_name(id_))
    return None if text is None else manifest.from_json(Manifest, text)


def written_chunks(place: Place, export: Export) -> dict[int, WrittenChunk]:
    """Return the chunks of an export that an earlier run has written."""
    names = {export.chunk_name(chunk.number) for chunk in export.chunks}
    found = [place.read(name) for name in place.names(export.folder) if name in names]
    read = [manifest.from_json(WrittenChunk, text) for text in found if text is not None]
    return {chunk.number: chunk for chunk in read}


def read_chunk(place: Place, export: Export, number: int) -> WrittenChunk | None:
    """Return a chunk that is written; None where it is not, or not to its end."""
    text = place.read(export.chunk_name(number))
    return None if text is None else manifest.from_json(WrittenChunk, text)


def finish(
    db: Database, place: Place, export: Export, written: dict[int, WrittenChunk]
) -> Manifest:
    """Write the manifest, and remove what stood for it meanwhile."""
    closing = manifest.closed(export, written, _now(db))
    put(place, manifest.manifest_name(export.id), closing, export.folder)
    place.remove(export.folder)
    return closing


def _rows(written: Mapping[int, WrittenChunk]) -> int:
    return sum(chunk.rows for chunk in written.values())


def _cut(db: Database, request: Request, range_: Range) -> Iterator[Chunk]:
    dataset, wanted = request.dataset, request.filter
    return chunks.cut(
        first_id(range_.since),
        first_id(range_.until),
        lambda after, before: export_rows.next_id(db, dataset, wanted, after, before),
        lambda after, before, limit: export_rows.stretch(db, dataset, wanted, after, before, limit),
    )


def _range(db: Database, request: Request, known: Mapping[str, bool], now: int) -> Range:
    if request.since != LAST:
        return read_range(request.since, request.until, now)
    end = read_range(None, request.until, now).until
    prefix = f"{request.dataset}-{request.digest}-"
    ends = [manifest.range_of(id_).until for id_ in known if id_.startswith(prefix)]
    # Not its own, where it is asked for again.
    begin = max((each for each in ends if each < end), default=0)
    return Range(begin, _until_unended(db, request, begin, end))


def _until_unended(db: Database, request: Request, begin: int, end: int) -> int:
    """Return until when all deliveries have ended: what becomes of them belongs into the export.

    Nothing comes back to a row that an export which goes on and on has passed.
    """
    state = request.filter.state
    if request.dataset is Dataset.EVENTS or (state and DeliveryState(state) not in TERMINAL):
        return end
    after = first_id(max(begin, end - PATIENCE_MS))
    unended = export_rows.first_unended(db, request.filter, after, first_id(end))
    return end if unended is None else made_at(unended)


def _refuse_overlap(
    place: Place, request: Request, range_: Range, known: Mapping[str, bool]
) -> None:
    """Refuse what would put rows into a place twice, where readers would count them twice."""
    for id_, is_finished in known.items():
        other = manifest.range_of(id_)
        if other.until <= range_.since or range_.until <= other.since:
            continue
        if _share_rows(request, _request(place, id_, is_finished=is_finished)):
            state = "holds" if is_finished else "has an unfinished export of"
            raise Refused(
                "to",
                f"this place {state} {request.dataset} from {spelled(other.since)} to "
                f"{spelled(other.until)}, and they would be in it twice. Use another folder, or "
                f"--since {LAST}",
            )


def _share_rows(one: Request, other: Request) -> bool:
    """Whether a reader of one export would find rows of the other as well."""
    sources = {one.filter.source, other.filter.source}
    return (one.dataset, one.format) == (other.dataset, other.format) and (
        len(sources) == 1 or None in sources
    )


def _request(place: Place, id_: str, *, is_finished: bool) -> Request:
    if is_finished and (done := read_manifest(place, id_)) is not None:
        return done.request
    return read_plan(place, id_).request


def _now(db: Database) -> int:
    with db.read() as tx:
        return db.now(tx)
