"""How rows are spelled in a file: JSON lines, CSV, or Parquet (``parquet.py``, an extra)."""

import base64
import csv
import enum
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import RawIOBase
from typing import Any, Protocol

import orjson

from ingest.errors import ConfigError
from ingest.export.schema import FIELDS, Field, Type
from ingest.filters import Dataset
from ingest.store.export_rows import ExportRow

#: How the databases give a boolean (SQLite: 0 and 1), and how CSV spells it.
_BOOLEANS = {None: None, False: False, True: True}
_BOOLEAN_WORDS = {None: None, False: "false", True: "true"}


class Format(enum.StrEnum):
    """Also the ending of a file's name."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class RowWriter(Protocol):
    """Writes rows, in the order of the schema's columns, to a file that it does not close."""

    def write(self, rows: Sequence[ExportRow]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write what ends the file."""


def open_writer(format_: Format, dataset: Dataset, file: RawIOBase) -> RowWriter:
    """Begin a file. Raises ConfigError where the format needs what is not installed."""
    match format_:
        case Format.JSONL:
            return LineWriter(dataset, file)
        case Format.CSV:
            return CsvWriter(dataset, file)
        case Format.PARQUET:
            return parquet_writer()(dataset, file)


def parquet_writer() -> Callable[[Dataset, RawIOBase], RowWriter]:
    """Load what writes Parquet, which takes 100 ms. Raises ConfigError where it is missing."""
    # Read when it is loaded. Its own allocator takes 24 MB more of a process (measured).
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        from ingest.export.parquet import ParquetWriter  # noqa: PLC0415 - an extra, see above
    except ImportError as error:
        raise ConfigError(
            f"Parquet needs an extra package ({error.name}): pip install 'hookkeeper[export]'"
        ) from None
    return ParquetWriter


class LineWriter:
    """One JSON object a line."""

    def __init__(self, dataset: Dataset, file: RawIOBase) -> None:
        self._fields = FIELDS[dataset]
        self._file = file

    def write(self, rows: Sequence[ExportRow]) -> None:
        """Add a line a row."""
        self._file.write(b"".join(map(self._line, rows)))

    def close(self) -> None:
        """Lines end by themselves."""

    def _line(self, row: ExportRow) -> bytes:
        cells: dict[str, Any] = {}
        for field, value in zip(self._fields, row, strict=True):
            # Headers are JSON already: a list in the line, not a text that holds one.
            plain = orjson.Fragment(value) if field.type is Type.JSON else value
            cells.update(_spell(field, plain))
        return orjson.dumps(cells, option=orjson.OPT_APPEND_NEWLINE)


class CsvWriter:
    """Comma-separated values (RFC 4180), with the names of the columns in the first line."""

    def __init__(self, dataset: Dataset, file: RawIOBase) -> None:
        self._fields = FIELDS[dataset]
        self._file = file
        self._put([_names(self._fields)])

    def write(self, rows: Sequence[ExportRow]) -> None:
        """Add a record a row."""
        self._put(self._record(row) for row in rows)

    def close(self) -> None:
        """Records end by themselves."""

    def _record(self, row: ExportRow) -> list[Any]:
        cells: dict[str, Any] = {}
        for field, value in zip(self._fields, row, strict=True):
            if field.type is Type.BOOLEAN:
                cells[field.name] = _BOOLEAN_WORDS[value]
            else:
                cells.update(_spell(field, value))
        return list(cells.values())

    def _put(self, records: Sequence[list[str]] | Iterator[list[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(records)
        self._file.write(text.getvalue().encode())


def _names(fields: Sequence[Field]) -> list[str]:
    return [
        name
        for field in fields
        for name in (("body_text", "body_base64") if field.type is Type.BODY else (field.name,))
    ]


def _spell(field: Field, value: Any) -> Mapping[str, Any]:
    """Give a value the names and the form that text has for it."""
    if field.type is Type.BODY:
        return _body(value)
    if field.type is Type.DIGEST:
        return {field.name: value.hex()}
    if field.type is Type.BOOLEAN:
        return {field.name: _BOOLEANS[value]}
    return {field.name: value}


def _body(body: bytes) -> dict[str, str | None]:
    try:
        return {"body_text": body.decode(), "body_base64": None}
    except UnicodeDecodeError:
        return {"body_text": None, "body_base64": base64.b64encode(body).decode()}
