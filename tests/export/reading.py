"""What an export is compared with: the files as DuckDB reads them, and the store's own rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from ingest.export.manifest import Manifest
from ingest.filters import spelled
from ingest.store import Database
from tests.store import making

Rows = list[tuple[Any, ...]]

_COMMON = "id, source, type, provider_event_id, state, received_at, dispatched_at, generation"
_MORE = "duplicates, conflicts, trace_id, secret_name, type_signed, query, content_type"
_TIMES = "epoch_ms(received_at), epoch_ms(dispatched_at)"


def nothing(_done: int, _total: int) -> None:
    """Nobody watches."""


def ask(statement: str) -> Rows:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(statement).fetchall()


def parquet(folder: Path, dataset: str = "events") -> str:
    pattern = folder / dataset / "*" / "*" / "*.parquet"
    return f"read_parquet('{pattern}', hive_partitioning = true, hive_types_autocast = false)"


def ids_in(folder: Path, dataset: str = "events") -> list[str]:
    """The ids of all exported rows, repeated ones too."""
    return [id_ for (id_,) in ask(f"SELECT id FROM {parquet(folder, dataset)} ORDER BY id")]


def exported_events(folder: Path) -> Rows:
    columns = f"{_COMMON}, {_MORE}, headers, body_sha256, body"
    columns = columns.replace("received_at, dispatched_at", _TIMES)
    return ask(f"SELECT {columns} FROM {parquet(folder)} ORDER BY id")


def stored_events(database: Database) -> Rows:
    columns = f"{_COMMON}, {_MORE}, headers, body_sha256, body"
    statement = f"SELECT {columns} FROM events JOIN payloads ON event_id = id ORDER BY id"
    return making.rows(database, statement)


def data_files(folder: Path) -> dict[Path, int]:
    """What a reader of the place sees, with the inode of each file: a new one is another."""
    return {
        path.relative_to(folder): path.stat().st_ino
        for path in folder.rglob("*")
        if path.is_file() and "_exports" not in path.parts
    }


class CutOff(Exception):
    """The export ended in the middle, as a crash would end it."""


def cut_off_after(rows: int) -> Callable[[int, int], None]:
    """A progress that ends the export once so many rows are read."""

    def progress(done: int, _total: int) -> None:
        if done > rows:
            raise CutOff

    return progress


def names(manifest: Manifest) -> set[Path]:
    return {Path(file.name) for file in manifest.files}


def day_of(at: int) -> str:
    """The day (UTC) of a time (ms), as a path has it."""
    return spelled(at)[:10]
