"""The disk is full, slow, read-only, or lies; the power goes; somebody holds the SQLite file."""

import contextlib
import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.store import open_database
from ops.torture.cluster.shim import Shim
from ops.torture.stage import Stage

_RECOVERIES = 3


def _shims(stage: Stage) -> list[Shim]:
    """Of whoever writes the database's files."""
    if stage.postgres is not None:
        return [stage.shims["postgresql"]]
    return [shim for name, shim in stage.shims.items() if name != "postgresql"]


def _recover(stage: Stage) -> None:
    """Start a PostgreSQL again that has given up, as its supervisor would, and once more.

    It may give up while it recovers from what failed. Raises AssertionError, with its log, where it
    does so again and again.
    """
    if stage.postgres is None:
        return
    for _ in range(_RECOVERIES):
        with contextlib.suppress(AssertionError):
            stage.postgres.start()
            stage.postgres.wait_ready()
            return
    stage.postgres.start()


@contextmanager
def full(stage: Stage) -> Iterator[None]:
    """No byte is left where the database is."""
    assert stage.disk is not None
    stage.disk.fill()
    yield
    stage.disk.clear()
    _recover(stage)


@contextmanager
def no_files(stage: Stage) -> Iterator[None]:
    """No file can be made where the database is."""
    assert stage.disk is not None
    stage.disk.use_up_files()
    yield
    stage.disk.clear()
    _recover(stage)


@contextmanager
def failing_writes(stage: Stage, *, error: str) -> Iterator[None]:
    """Each write to the database's files fails: ENOSPC, EROFS, EIO."""
    for shim in _shims(stage):
        shim.fail_writes(getattr(errno, error))
    yield
    for shim in _shims(stage):
        shim.fail_writes(0)
    _recover(stage)


@contextmanager
def failing_fsync(stage: Stage) -> Iterator[None]:
    """Each fsync of the database's files fails: what it covered may be lost."""
    for shim in _shims(stage):
        shim.fail_fsync(on=True)
    yield
    for shim in _shims(stage):
        shim.fail_fsync(on=False)
    _recover(stage)


@contextmanager
def slow_fsync(stage: Stage, *, delay: float) -> Iterator[None]:
    """Each fsync takes so many seconds more."""
    for shim in _shims(stage):
        shim.slow_fsync(delay)
    yield
    for shim in _shims(stage):
        shim.slow_fsync(0.0)


@contextmanager
def power_loss(stage: Stage) -> Iterator[None]:
    """Everything dies at once, and of each file only what was fsynced is left."""
    lives = stage.pipeline.lives.values()
    for life in lives:
        life.signal(signal.SIGSTOP, whole=True)  # at one moment, as far as that can be had
    for life in lives:
        life.hold()
    if stage.postgres is None:
        stage.shims["web"].lose_power()
    else:
        stage.postgres.kill()
        stage.shims["postgresql"].lose_power()
    stage.redis.restart()
    yield
    _recover(stage)
    for life in lives:
        life.release()


@contextmanager
def locked(stage: Stage) -> Iterator[None]:
    """Another process writes to the SQLite file for a long time."""
    with contextlib.closing(open_database(stage.database_url())) as database, database.write():
        yield


@contextmanager
def locked_by_stranger(stage: Stage) -> Iterator[None]:
    """Somebody's SQLite shell has a transaction open: it knows nothing of our own lock."""
    import sqlite3  # noqa: PLC0415 - only here

    path = stage.database_folder / "hookkeeper.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        yield
        stranger.execute("ROLLBACK")
