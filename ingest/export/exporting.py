"""An export from its request to its manifest; what was cut off goes on where it was.

A chunk's files have the same names each time, and the document that says that a chunk is written
comes after them. So a chunk that was interrupted is written again over itself, and no other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter

from ingest.export import chunks, manifest
from ingest.export.chunks import Chunk
from ingest.export.digested import DigestedFile
from ingest.export.filters import Range, Refused, read_range, spelled
from ingest.export.formats import Format, open_writer, parquet_writer
from ingest.export.manifest import Export, Manifest, Request, WrittenChunk, WrittenFile
from ingest.export.places import Place
from ingest.export.schema import SCHEMA_VERSION, Dataset, place_of
from ingest.store import Database, export_rows
from ingest.store.export_rows import ExportRow
from ingest.store.ids import first_id

#: As ``since``: from where the last export of the same rows into the same place ended.
LAST = "last"
#: Rows that are in memory before they are written, in bytes of what is long in them.
BUFFER_BYTES = 16_000_000
#: What a row takes beside what is long in it (measured: a tuple of an event is 1.2 KB).
ROW_BYTES = 1_200

#: Files that are published at once.
PUBLISHERS = 8

_BODY = place_of(Dataset.EVENTS, "body")

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


def run(db: Database, place: Place, request: Request, progress: Progress) -> Outcome:
    """Write an export to its end, or what is missing of one that was cut off.

    Raises Refused before anything is written, PlaceUnavailable and StoreUnavailable later; what is
    written then stays, and the same request goes on behind it.
    """
    export = prepare(db, place, request, _now(db))
    if isinstance(export, Manifest):
        return Outcome(export, was_finished=True)
    written = written_chunks(place, export)
    kept = len(written)
    done = sum(chunk.rows for chunk in written.values())
    progress(done, export.rows)
    for chunk in export.chunks:
        if chunk.number not in written:
            rest = _offset(progress, done, export.rows)
            written[chunk.number] = write_chunk(db, place, export, chunk, rest)
            done += written[chunk.number].rows
    return Outcome(finish(db, place, export, written), kept)


def prepare(db: Database, place: Place, request: Request, now: int) -> Export | Manifest:
    """Plan an export, or return the plan of the one that is unfinished, or its manifest.

    ``now`` (ms): the time that the words of the request count from; the same gives the same.
    Raises Refused where it cannot be, or its rows are in the place already; PlaceUnavailable.
    """
    if request.format is Format.PARQUET:
        parquet_writer()
    _range(request, {}, now)
    place.check()
    known = manifest.known_exports(place.names(manifest.FOLDER))
    for id_, is_finished in known.items():
        if not is_finished and (export := read_plan(place, id_)).request == request:
            return export
    range_ = _range(request, known, now)
    id_ = manifest.export_id(request, range_)
    if known.get(id_) and (done := read_manifest(place, id_)) is not None:
        return done
    _refuse_overlap(place, request, range_, known)
    export = Export(id_, request, range_, SCHEMA_VERSION, tuple(_cut(db, request, range_)))
    _put(place, manifest.plan_name(id_), export, export.folder)
    return export


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


def write_chunk(
    db: Database, place: Place, export: Export, chunk: Chunk, progress: Callable[[int], None]
) -> WrittenChunk:
    """Write the files of one chunk, and then that they are there. ``progress``: rows so far."""
    dataset, wanted = export.request.dataset, export.request.filter
    rows = 0
    with ExitStack() as stack:
        files: dict[str, _PartitionFile] = {}

        def file_of(source: str) -> _PartitionFile:
            if source not in files:
                files[source] = _PartitionFile(place, export, export.file_name(chunk, source))
                stack.push(files[source].close)
            return files[source]

        for part in _buffered(export_rows.pages(db, dataset, wanted, chunk), dataset):
            rows += len(part)
            _distribute(part, dataset, file_of)
            progress(rows)
        _publish(list(files.values()))
    written = WrittenChunk(chunk.number, tuple(file.written() for file in files.values()))
    _put(place, export.chunk_name(chunk.number), written, export.folder)
    return written


def finish(
    db: Database, place: Place, export: Export, written: dict[int, WrittenChunk]
) -> Manifest:
    """Write the manifest, and remove what stood for it meanwhile."""
    closing = manifest.closed(export, written, _now(db))
    _put(place, manifest.manifest_name(export.id), closing, export.folder)
    place.remove(export.folder)
    return closing


class _PartitionFile:
    """The file of one source, as it is being written."""

    def __init__(self, place: Place, export: Export, name: str) -> None:
        request = export.request
        self._name = name
        self._rows = 0
        with ExitStack() as stack:
            file = stack.enter_context(place.writing(name, export.folder))
            self._digested = DigestedFile(file)
            self._writer = open_writer(request.format, request.dataset, self._digested)
            stack.callback(self._writer.close)
            self._stack = stack.pop_all()
        #: Ends it as a context manager does: it is published, or gone where there is an error.
        self.close = self._stack.__exit__

    def write(self, rows: Sequence[ExportRow]) -> None:
        """Add rows."""
        self._writer.write(rows)
        self._rows += len(rows)

    def publish(self) -> None:
        """End it, and let it be seen."""
        self._stack.close()

    def written(self) -> WrittenFile:
        """Return what it came to; asked when it is published."""
        return WrittenFile(self._name, self._rows, self._digested.tell(), self._digested.sha256)


def _publish(files: Sequence[_PartitionFile]) -> None:
    """Publish files side by side: each waits for a disk or a bucket, mostly."""
    with ThreadPoolExecutor(PUBLISHERS) as pool:
        for published in [pool.submit(file.publish) for file in files]:
            published.result()


def _buffered(pages: Iterator[Sequence[ExportRow]], dataset: Dataset) -> Iterator[list[ExportRow]]:
    """Gather pages: many rows at once make large row groups, too many do not fit into memory.

    What is handed on is emptied afterwards, so that it is gone while more is read.
    """
    buffer: list[ExportRow] = []
    size = 0
    for page in pages:
        buffer += page
        size += _size(page, dataset)
        del page  # or its bodies live on while the next ones are read
        if size >= BUFFER_BYTES:
            yield buffer
            buffer.clear()
            size = 0
    if buffer:
        yield buffer


def _size(rows: Sequence[ExportRow], dataset: Dataset) -> int:
    bodies = map(len, map(itemgetter(_BODY), rows)) if dataset is Dataset.EVENTS else ()
    return ROW_BYTES * len(rows) + sum(bodies)


def _distribute(
    rows: Sequence[ExportRow], dataset: Dataset, file_of: Callable[[str], _PartitionFile]
) -> None:
    """Write each row to the file of its source."""
    column = place_of(dataset, "source")
    by_source: dict[str, list[ExportRow]] = defaultdict(list)
    for row in rows:
        by_source[row[column]].append(row)
    for source, its_rows in by_source.items():
        file_of(source).write(its_rows)


def _offset(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda rows: progress(done + rows, total)


def _cut(db: Database, request: Request, range_: Range) -> Iterator[Chunk]:
    dataset, wanted = request.dataset, request.filter
    return chunks.cut(
        first_id(range_.since),
        first_id(range_.until),
        lambda after, before: export_rows.next_id(db, dataset, wanted, after, before),
        lambda after, before, limit: export_rows.stretch(db, dataset, wanted, after, before, limit),
    )


def _range(request: Request, known: Mapping[str, bool], now: int) -> Range:
    if request.since != LAST:
        return read_range(request.since, request.until, now)
    end = read_range(None, request.until, now).until
    prefix = f"{request.dataset}-{request.digest}-"
    ends = [manifest.range_of(id_).until for id_ in known if id_.startswith(prefix)]
    earlier = [each for each in ends if each < end]  # not its own, where it is asked for again
    return read_range(spelled(max(earlier)) if earlier else None, request.until, now)


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


def _put(place: Place, name: str, document: object, aside: str) -> None:
    with place.writing(name, aside) as file:
        file.write(manifest.to_json(document))


def _now(db: Database) -> int:
    with db.read() as tx:
        return db.now(tx)
