"""The handler of the pipeline under test: commits its effect to a database of its own, once.

The inbox's mark and the effect are one transaction, so a redelivery changes nothing. Bodies may ask
it to misbehave.
"""

import ctypes
import json
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

from ingest import Event, Permanent, inbox, on
from ops.torture.misdeeds import TRIES

_TIME_LIMIT_SECONDS = 3.0
_MEMORY_MEGABYTES = 300
_local = threading.local()

SCHEMA = (
    *inbox.CREATE_TABLE,
    "CREATE TABLE effects (key TEXT NOT NULL, event_id TEXT NOT NULL, pid INTEGER, at REAL)",
)


def effects_file() -> Path:
    """The handlers' database, as the harness tells it."""
    return Path(os.environ["TORTURE_EFFECTS"])


def connect(path: Path) -> sqlite3.Connection:
    """Open the handlers' database; nobody strikes at it, so it need not be durable."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    return connection


@on("github", name="keep", attempts=TRIES, time_limit=_TIME_LIMIT_SECONDS)
@on("shopify", name="keep", attempts=TRIES, time_limit=_TIME_LIMIT_SECONDS)
@on("stripe", name="keep", attempts=TRIES, time_limit=_TIME_LIMIT_SECONDS)
@on("standardwebhooks", name="keep", attempts=TRIES, time_limit=_TIME_LIMIT_SECONDS)
def keep(event: Event) -> None:
    """Take effect once, or do what the body asks for."""
    content = json.loads(event.body)
    _misbehave(content["do"])
    if not hasattr(_local, "connection"):
        _local.connection = connect(effects_file())
    database: sqlite3.Connection = _local.connection
    database.execute("BEGIN IMMEDIATE")
    if inbox.claim(database, event):
        row = (content["key"], event.id, os.getpid(), time.time())
        database.execute("INSERT INTO effects VALUES (?, ?, ?, ?)", row)
    database.execute("COMMIT")


def _misbehave(how: str) -> None:
    if how == "raise":
        raise RuntimeError("asked to raise")
    if how == "permanent":
        raise Permanent("asked to fail for good")
    if how == "hang":
        threading.Event().wait()
    if how == "memory":
        _eat_memory()
    if how == "exit":
        os._exit(13)
    if how == "segfault":
        signal.raise_signal(signal.SIGSEGV)  # in this thread, which so commits nothing any more
    if how == "gil":
        ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the interpreter lock


def _eat_memory() -> None:
    """Grow, and end as the kernel ends whom it chooses when there is no more."""
    eaten = [bytes([1]) * (1 << 20) for _ in range(_MEMORY_MEGABYTES)]
    os.kill(os.getpid(), signal.SIGKILL)
    eaten.clear()
