"""The library that lies about disk and clock, in real processes."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.torture.cluster.shim import Shim, compile_shim

WRITE = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.pwrite(file, b"kept", 0)
os.fsync(file)
os.pwrite(file, b"gone", 4)
"""
TELL_TIME = """
import time
began = time.monotonic()
print(time.time(), time.clock_gettime(time.CLOCK_REALTIME), time.time_ns() / 1e9)
time.sleep(0.01)
assert 0.01 <= time.monotonic() - began < 60
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_shim(tmp_path_factory.mktemp("library"))


@pytest.fixture
def shim(library: Path, tmp_path: Path) -> Iterator[Shim]:
    (tmp_path / "disk").mkdir()
    (tmp_path / "twins").mkdir()
    made = Shim(library, tmp_path / "page", tmp_path / "disk", tmp_path / "twins")
    yield made
    made.close()


def run(shim: Shim, code: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-c", code, *map(str, arguments)]
    environ = {**os.environ, **shim.environ}
    return subprocess.run(
        words, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


def test_after_a_loss_of_power_there_is_what_was_fsynced_and_no_more(shim: Shim) -> None:
    path = shim.prefix / "data"
    assert run(shim, WRITE, path).returncode == 0
    assert path.read_bytes() == b"keptgone"

    shim.lose_power()

    assert path.read_bytes() == b"kept"


def test_a_file_that_was_never_fsynced_is_gone_and_what_was_there_before_stays(
    shim: Shim,
) -> None:
    (shim.prefix / "deep").mkdir()
    old, new = shim.prefix / "deep" / "old", shim.prefix / "new"
    old.write_bytes(b"old")
    shim.snapshot()
    old.write_bytes(b"changed, never fsynced")
    new.write_bytes(b"new")

    shim.lose_power()

    assert old.read_bytes() == b"old"
    assert not new.exists()


def test_files_elsewhere_are_left_alone(shim: Shim, tmp_path: Path) -> None:
    shim.fail_writes(errno.ENOSPC)
    shim.fail_fsync(on=True)

    assert run(shim, WRITE, tmp_path / "elsewhere").returncode == 0
    assert not list((tmp_path / "twins").iterdir())


def test_writes_and_fsyncs_fail_until_they_are_let_through(shim: Shim) -> None:
    path = shim.prefix / "data"
    shim.fail_writes(errno.ENOSPC)
    assert "No space left on device" in run(shim, WRITE, path).stderr
    shim.fail_writes(0)
    shim.fail_fsync(on=True)
    assert "Input/output error" in run(shim, WRITE, path).stderr
    shim.fail_fsync(on=False)
    assert run(shim, WRITE, path).returncode == 0


@pytest.mark.parametrize("offset", [3600.0, -3600.0])
def test_only_the_wall_clock_is_moved(shim: Shim, offset: float) -> None:
    right = [float(word) for word in run(shim, TELL_TIME).stdout.split()]
    shim.clock(offset)

    wrong = run(shim, TELL_TIME)

    assert wrong.returncode == 0, wrong.stderr
    moved = [float(word) for word in wrong.stdout.split()]
    assert all(offset - 1 < m - r < offset + 60 for m, r in zip(moved, right, strict=True))
