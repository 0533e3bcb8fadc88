"""Parquet files: zstd, one row group a write, the columns described in the file's own schema."""

from collections.abc import Iterator, Sequence
from functools import cache
from io import RawIOBase
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.export.schema import FIELDS, SCHEMA_VERSION, SOURCE, Field, Type
from ingest.filters import Dataset
from ingest.store.export_rows import ExportRow

_TYPES = {
    Type.TEXT: pa.string(),
    Type.JSON: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.TIME: pa.timestamp("ms", tz="UTC"),
    Type.DIGEST: pa.binary(32),
    Type.BODY: pa.binary(),
}
_BODY_TEXT = pa.field(
    "body_text", pa.string(), metadata={"description": "the body, where it is UTF-8"}
)
#: Columns whose values are few; a dictionary of any other one is made in vain.
_FEW = [
    *("type", "event_type", "state", "kind", "queue", "destination", "generation", "duplicates"),
    *("conflicts", "secret_name", "headers", "query", "content_type", "starts", "attempts"),
    *("crashes", "last_outcome", "last_status", "last_code", "last_message"),
]

#: Columns that people choose a range of. A least and a greatest body, digest or trace id tell a
#: reader nothing, cost a tenth of the writing (measured), and bodies are kept until the end.
_CHOSEN = (
    *("id", "event_id", "type", "event_type", "state", "destination", "generation"),
    *("received_at", "dispatched_at", "created_at", "finished_at", "last_code", "last_status"),
)


class ParquetWriter:
    """Writes a file for one source: that column is in its path."""

    def __init__(self, dataset: Dataset, file: RawIOBase) -> None:
        self._fields = FIELDS[dataset]
        self._schema = arrow_schema(dataset)
        names = set(self._schema.names)
        self._writer = pq.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name in _FEW if name in names],
            write_statistics=[name for name in _CHOSEN if name in names],
        )

    def write(self, rows: Sequence[ExportRow]) -> None:
        """Add a row group."""
        columns = list(self._columns(rows))
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def close(self) -> None:
        """Write the footer, without which it is no Parquet file."""
        self._writer.close()

    def _columns(self, rows: Sequence[ExportRow]) -> Iterator[Any]:
        for field, values in zip(self._fields, zip(*rows, strict=True), strict=True):
            if field is SOURCE:
                continue
            column = _array(field, values)
            yield column
            if field.type is Type.BODY:
                yield _text(column)


@cache
def arrow_schema(dataset: Dataset) -> Any:
    """Return the columns of a file, each with its meaning."""
    fields = []
    for field in FIELDS[dataset]:
        if field is not SOURCE:
            fields.append(_arrow_field(field))
        if field.type is Type.BODY:
            fields.append(_BODY_TEXT)
    return pa.schema(fields, metadata={"hookkeeper_schema": f"{dataset} {SCHEMA_VERSION}"})


def _arrow_field(field: Field) -> Any:
    description = {"description": field.meaning}
    return pa.field(field.name, _TYPES[field.type], field.nullable, metadata=description)


def _array(field: Field, values: Sequence[Any]) -> Any:
    """Give a column's values their type; SQLite's own booleans are numbers."""
    if field.type is Type.BOOLEAN:
        values = [None if value is None else bool(value) for value in values]
    return pa.array(values, _TYPES[field.type])


def _text(bodies: Any) -> Any:
    """Read bodies as text: all at once where all are UTF-8, else one by one."""
    try:
        return bodies.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text_of(body.as_py()) for body in bodies], pa.string())


def _text_of(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
