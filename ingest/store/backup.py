"""A copy of the database while it is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ingest.errors import HookkeeperError, StoreUnavailable
from ingest.store.database import Database


def backup(db: Database, target: Path) -> None:
    """Copy a SQLite database as of one moment to ``target``, which must not exist.

    The copy is compact, complete without a ``-wal`` file, readable by its owner only, and on disk
    when this returns; receiving goes on meanwhile. Raises HookkeeperError where ``target`` exists
    and on PostgreSQL, which has tools of its own; StoreUnavailable where the disk is full.
    """
    if db.file is None:
        raise HookkeeperError(
            f"PostgreSQL is backed up with its own tools: pg_dump --format=custom "
            f"--file={target} --dbname={db.url.database}. Nothing was written."
        )
    if target.exists():
        raise HookkeeperError(f"{target} exists and was left as it is. Name another file.")
    partial = target.with_name(target.name + ".partial")
    try:
        partial.touch(mode=0o600)
        _copy(db.file, partial)
        _sync(partial)
        partial.rename(target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise StoreUnavailable(f"no backup was written to {target}: {error}") from error


def _copy(source: Path, target: Path) -> None:
    """VACUUM INTO reads one snapshot, so writers go on; an empty target file is accepted."""
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
