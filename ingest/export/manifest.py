"""The documents that stand beside exported files, as JSON: the plan, what was written, the end.

    _exports/<export>/plan.json     what is to be written, and how it is cut
    _exports/<export>/00042.json    one chunk, once all of its files are there
    _exports/<export>.json          the manifest: all is there; the other two are gone

Readers of Hive layouts pass over names that begin with "_". Pure.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

import orjson
from pydantic import TypeAdapter

from ingest.errors import HookkeeperError
from ingest.export.chunks import Chunk
from ingest.export.formats import Format
from ingest.export.schema import SCHEMA_VERSION
from ingest.filters import Dataset, Filter, Range

FOLDER = "_exports"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for; ``since`` and ``until`` in the words of whoever asked."""

    dataset: Dataset
    format: Format
    filter: Filter
    since: str | None = None
    until: str | None = None

    @property
    def digest(self) -> str:
        """What exports of the same rows over another time have in common."""
        wanted = (SCHEMA_VERSION, self.format, self.filter)
        return hashlib.sha256(orjson.dumps(wanted)).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Export:
    """An export as it is to be written."""

    id: str
    request: Request
    range: Range
    schema_version: int
    chunks: tuple[Chunk, ...]

    @property
    def rows(self) -> int:
        """How many rows there were when it was cut."""
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def folder(self) -> str:
        """Where what is unfinished lies."""
        return f"{FOLDER}/{self.id}"

    def file_name(self, chunk: Chunk, source: str) -> str:
        """Return the name of a chunk's file for a source: the same each time."""
        request = self.request
        partition = f"{request.dataset}/source={source}/day={chunk.day}"
        return f"{partition}/{self.id}-{chunk.number:05}.{request.format}"

    def chunk_name(self, number: int) -> str:
        """Return the name of the document that says that a chunk is written."""
        return f"{self.folder}/{number:05}.json"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that is there; ``sha256`` is hexadecimal."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WrittenChunk:
    """A chunk all of whose files are there."""

    number: int
    files: tuple[WrittenFile, ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(file.rows for file in self.files)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export came to, ``finished_at`` (ms)."""

    export: str
    request: Request
    range: Range
    schema_version: int
    finished_at: int
    rows: int
    bytes: int
    files: tuple[WrittenFile, ...]


def export_id(request: Request, range_: Range) -> str:
    """Name an export: by what it holds and over which time."""
    return f"{request.dataset}-{request.digest}-{range_.since}-{range_.until}"


def range_of(id_: str) -> Range:
    """Return the time of an export by its name."""
    since, until = id_.rsplit("-", 2)[1:]
    return Range(int(since), int(until))


def plan_name(id_: str) -> str:
    """Return the name of an export's plan."""
    return f"{FOLDER}/{id_}/plan.json"


def manifest_name(id_: str) -> str:
    """Return the name of an export's manifest."""
    return f"{FOLDER}/{id_}.json"


def known_exports(names: Collection[str]) -> dict[str, bool]:
    """Return the exports that the documents of a place speak of, and whether each is finished."""
    known: dict[str, bool] = {}
    for name in names:
        parts = name.removesuffix(".json").split("/")[1:]
        if len(parts) == 1:
            known[parts[0]] = True
        elif parts[1:] == ["plan"]:
            known.setdefault(parts[0], False)
    return known


def closed(export: Export, written: Mapping[int, WrittenChunk], now: int) -> Manifest:
    """Close an export. Raises HookkeeperError where a chunk is missing."""
    if missing := [chunk.number for chunk in export.chunks if chunk.number not in written]:
        raise HookkeeperError(f"{export.id} lacks {len(missing)} chunks, {missing[0]} the first")
    files = tuple(file for chunk in export.chunks for file in written[chunk.number].files)
    rows, size = sum(file.rows for file in files), sum(file.bytes for file in files)
    return Manifest(
        export.id, export.request, export.range, export.schema_version, now, rows, size, files
    )


def to_json(document: object) -> bytes:
    """Write a document."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def from_json(kind: type[T], text: bytes) -> T:
    """Read a document. Raises HookkeeperError for what is none."""
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValueError as error:
        raise HookkeeperError(
            f"what stands in {FOLDER} is not ours ({str(error).splitlines()[0]}); it was left as "
            "it is. Use another folder."
        ) from None
