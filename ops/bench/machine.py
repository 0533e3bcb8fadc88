"""What a figure depends on: the machine and the versions. No names of hosts, users or folders."""

import importlib.metadata
import os
import platform
import re
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ops.bench.figures import percentiles
from tests.services.programs import MissingProgram, find_program

PEERS = Path(__file__).with_name("peers")
_PACKAGES = (
    *("hookkeeper", "starlette", "uvicorn", "uvloop", "httptools", "dramatiq", "redis"),
    *("httpx", "sqlalchemy", "psycopg", "orjson", "pyarrow", "duckdb"),
)
_IN_MEMORY = ("tmpfs", "ramfs")
#: Program: where it may be, and the option that makes it print its version.
_PROGRAMS = {"redis-server": "--version", "postgres": "--version", "wrk": "-v"}


def machine(folder: Path) -> dict[str, object]:
    """Describe the machine; ``folder`` is where the databases are, for its file system."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else None,
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": file_system(folder, mounts()),
    }


def in_memory(folder: Path) -> str | None:
    """Return the type of the file system that holds a folder if a sync costs nothing there."""
    found = file_system(folder.resolve(), mounts())
    return found if found in _IN_MEMORY else None


def mounts() -> str:
    """Return what is mounted where (proc(5))."""
    return Path("/proc/mounts").read_text()


def sync_ms(folder: Path, count: int = 4_000, size: int = 40_960) -> dict[str, float]:
    """Time what a commit cannot be quicker than, in ms: 40 KB written in place and synced.

    Many times, because what a shared disk does to a p99 it does once in a few hundred.
    """
    times: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(count):
            started = time.perf_counter()
            os.pwrite(file.fileno(), bytes(size), 0)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1_000)
    return percentiles(times)


def file_system(folder: Path, mounts: str) -> str:
    """Return the type of the file system that holds a folder, given /proc/mounts (proc(5))."""
    holding = [
        (len(fields[1]), fields[2])
        for fields in (line.split() for line in mounts.splitlines())
        if folder.is_relative_to(fields[1])
    ]
    return max(holding, default=(0, "unknown"))[1]


def versions() -> dict[str, str]:
    """Return the versions of everything on both sides; the peers' are the pinned ones."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    found |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    found |= {name: _version_of(name, option) for name, option in _PROGRAMS.items()}
    for path in sorted(PEERS.glob("*.txt")):
        comment, *lines = path.read_text().splitlines()
        pins = pinned(lines)
        asked = [name.partition("[")[0] for name in comment.rpartition(": ")[2].split()]
        found[f"peer {path.stem}"] = ", ".join(f"{name} {pins[name]}" for name in asked)
    return found


def pinned(lines: Iterable[str]) -> Mapping[str, str]:
    """Return name and version of each ``name==version`` line of a requirements file."""
    pairs = [line.split("#")[0].strip().partition("==") for line in lines]
    return {name: version for name, equals, version in pairs if equals}


def _version_of(name: str, option: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    try:
        program = find_program((name,), tuple(folders), name)
    except MissingProgram:
        return "not installed"
    done = subprocess.run([program, option], capture_output=True, text=True, check=False)
    number = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)
    return number[0] if number else "unknown"
