"""One chunk of an export: its rows are read, sorted by source, and published file by file."""

import gc
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from operator import itemgetter

from ingest.export import manifest
from ingest.export.chunks import Chunk
from ingest.export.digested import DigestedFile
from ingest.export.formats import open_writer
from ingest.export.manifest import Export, WrittenChunk, WrittenFile
from ingest.export.places import Place
from ingest.export.schema import place_of
from ingest.filters import Dataset
from ingest.store import Database, export_rows
from ingest.store.export_rows import ExportRow

#: Rows that are in memory before they are written, in bytes.
BUFFER_BYTES = 16_000_000
#: What a row takes beside what is long in it (measured: a tuple of an event is 1.2 KB).
ROW_BYTES = 1_200
#: While it is written, a body is in its row and in the row's column.
BODY_COPIES = 2
#: Objects that are made before the garbage collector looks at them, in a process that exports.
COLLECT_EVERY = 50_000
#: Files that are published at once.
PUBLISHERS = 8

_BODY = place_of(Dataset.EVENTS, "body")


def write_chunk(
    db: Database,
    place: Place,
    export: Export,
    chunk: Chunk,
    progress: Callable[[int], None],
    on_large: Callable[[], None] = lambda: None,
) -> WrittenChunk:
    """Write the files of one chunk, and then that they are there. ``progress``: rows so far.

    ``on_large`` is called before a body comes that takes much memory.
    """
    dataset, wanted = export.request.dataset, export.request.filter
    rows = 0
    with ExitStack() as stack:
        files: dict[str, _PartitionFile] = {}

        def file_of(source: str) -> _PartitionFile:
            if source not in files:
                files[source] = _PartitionFile(place, export, export.file_name(chunk, source))
                stack.push(files[source].close)
            return files[source]

        pages = export_rows.pages(db, dataset, wanted, chunk, on_large)
        for part in _buffered(pages, dataset):
            rows += len(part)
            _distribute(part, dataset, file_of)
            progress(rows)
        _publish(list(files.values()))
    written = WrittenChunk(chunk.number, tuple(file.written() for file in files.values()))
    put(place, export.chunk_name(chunk.number), written, export.folder)
    return written


def collect_rarely() -> None:
    """Spare a process that only exports most of the garbage collector: rows hold no cycles.

    It went through all rows in memory, again and again: a quarter of the work (measured).
    """
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 10, 10)


def put(place: Place, name: str, document: object, aside: str) -> None:
    """Publish a document. Raises PlaceUnavailable."""
    with place.writing(name, aside) as file:
        file.write(manifest.to_json(document))


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
    return ROW_BYTES * len(rows) + BODY_COPIES * sum(bodies)


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
