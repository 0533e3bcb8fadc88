"""Export: a million events as Parquet by the shipped command, beside DuckDB's own COPY.

DuckDB has the same rows in a table of its own, and writes the same layout: a file for each source
and day, zstd. Ours reads them from SQLite or PostgreSQL, where they are. The load of DuckDB's table
is not timed; our start is.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from ingest.store import migrate
from ops.bench.figures import UNEXPLAINED, Pair, Row, Side, alone, at_most, compare, ratio_at_least
from ops.bench.filling import fill
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import COMMAND, Hookkeeper
from ops.bench.processes import family
from ops.bench.spending import Meter, Spending

EVENTS = 1_000_000
RATE = ratio_at_least(0.3)
MEMORY = at_most(300, "MiB")
SLOW = (
    "rows come out of the database one by one, as Python tuples, in two processes that share the "
    "cores with the server where there is one; DuckDB copies columns that it has already"
)
_PATIENCE_SECONDS = 600
_WATCH_SECONDS = 0.1

_LOAD = """
import sys
import duckdb
database, files = sys.argv[1:]
source = f"read_parquet('{files}', hive_partitioning = true)"
duckdb.connect(database).execute(f"CREATE TABLE events AS SELECT * FROM {source} ORDER BY id")
"""
_COPY = """
import json, re, resource, sys, time
from pathlib import Path
import duckdb
database, target = sys.argv[1:]
connection = duckdb.connect(database)
connection.execute("SET enable_progress_bar = false")  # it would print
before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
connection.execute(
    f"COPY events TO '{target}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (source, day))"
)
seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps({"seconds": seconds, "cpu": spent, "mebibytes": int(peak) / 1024}))
"""


def measure(ground: Ground) -> list[Row]:
    """Return, for each database, the rate beside DuckDB's and the memory that it took."""
    return [row for kind in KINDS for row in _on(ground, kind)]


def _on(ground: Ground, kind: Kind) -> list[Row]:
    with ground.database(kind) as server:
        migrate(server.url)
        started = time.monotonic()
        fill(server.url, EVENTS, 0)
        ground.tell(f"export.{kind}: filled in {time.monotonic() - started:.0f} s")
        with ground.hookkeeper(server.url, "redis://127.0.0.1:1/0", commands=()) as ours:
            table = _loaded(ground, ours)
            found = ground.turns(
                lambda: _export(ground, ours, ground.folder("export")), lambda: _copy(ground, table)
            )
    pairs = [Pair(one, other) for (one, _), (other, _) in found]
    note = f"{EVENTS:,} events of 90 days and ten sources: 910 files; DuckDB has them in a table"
    peak = [mebibytes for (_, mebibytes), _ in found]
    theirs = max(mebibytes for _, (_, mebibytes) in found)
    said = f"the peaks of both processes together; DuckDB: {theirs:.0f} MiB"
    return [
        compare(
            *(f"export.{kind}", "rows/s", pairs, RATE, "DuckDB's COPY"), reason=SLOW, note=note
        ),
        alone(f"export.{kind}.memory", "MiB", peak, MEMORY, reason=UNEXPLAINED, note=said),
    ]


def _export(ground: Ground, ours: Hookkeeper, target: Path) -> tuple[Side, float]:
    """Run the command to its end; its rate, and the peaks of its processes in MiB, summed."""
    meter, said, started = Meter(()), target.with_suffix(".json"), time.perf_counter()
    with said.open("wb") as out:
        process = subprocess.Popen(
            [COMMAND, "export", "--to", str(target), "--json"],
            cwd=ours.folder,
            env=dict(ours.environ),
            stdout=out,
            start_new_session=True,
        )
    ground.guard.tell("start", process.pid)
    with _Peaks(process.pid) as peaks:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    ground.guard.tell("end", process.pid)
    # What was filled in the last minute is not exported yet.
    if process.returncode or (rows := json.loads(said.read_text())["rows"]) < EVENTS - 100:
        raise RuntimeError(f"the export ended with {process.returncode}: {said.read_text()}")
    spent = Spending({"export": usage.ru_utime + usage.ru_stime}, meter.read().busy)
    return Side(rows, seconds, spent.total, spending=spent), peaks.mebibytes


class _Peaks:
    """Watches how large a process and its children become; a context manager.

    What wait4() tells is no measure of it: it begins with the memory of whoever started them.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._kibibytes: dict[int, int] = {}
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @property
    def mebibytes(self) -> float:
        """The largest that each of them was, summed."""
        return sum(self._kibibytes.values()) / 1_024

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._has_ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._has_ended.wait(_WATCH_SECONDS):
            for pid in family([self._pid]):
                self._kibibytes[pid] = peak_kibibytes(pid) or self._kibibytes.get(pid, 0)


def peak_kibibytes(pid: int) -> int:
    """Return a process's own peak of resident memory; 0 when it has ended."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            return int(found[1])
    return 0


def _loaded(ground: Ground, ours: Hookkeeper) -> Path:
    """Put the rows of a first export into a DuckDB table."""
    source = ground.folder("export")
    _export(ground, ours, source)
    path = ground.folder("duckdb") / "rows.duckdb"
    _duckdb(_LOAD, str(path), f"{source}/events/*/*/*.parquet")
    return path


def _copy(ground: Ground, table: Path) -> tuple[Side, float]:
    meter = Meter(())
    said = json.loads(_duckdb(_COPY, str(table), str(ground.folder("copy"))))
    spent = Spending({"duckdb": said["cpu"]}, meter.read().busy)
    return Side(EVENTS, said["seconds"], spent.total, spending=spent), said["mebibytes"]


def _duckdb(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(
        command, capture_output=True, check=True, text=True, timeout=_PATIENCE_SECONDS
    )
    return done.stdout
