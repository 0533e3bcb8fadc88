"""The file lock of SQLite's writers: fair to processes, patient for a while, never stuck."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import StoreUnavailable
from ingest.store.write_lock import WriteLock
from tests.waiting import wait_until

TIMEOUT = 0.2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hookkeeper.db.lock"


@pytest.fixture
def lock(path: Path) -> Iterator[WriteLock]:
    lock = WriteLock(path, TIMEOUT)
    yield lock
    lock.close()
    wait_until(lambda: not waiting_threads(), describe="the waiting thread to end")


def waiting_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "store-write-lock"]


class Stranger:
    """Another holder of the file, as another process would be."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def let_go(self) -> None:
        os.close(self._file)


def test_threads_take_turns(lock: WriteLock) -> None:
    inside: list[int] = []
    overlaps: list[int] = []

    def work() -> None:
        for _ in range(50):
            with lock.held():
                inside.append(1)
                overlaps.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(overlaps) == {1}
    assert len(overlaps) == 200


def test_who_waits_too_long_hears_it_in_time(lock: WriteLock, path: Path) -> None:
    stranger = Stranger(path)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="another process"), lock.held():
        pytest.fail("it was not ours")
    assert TIMEOUT <= time.monotonic() - began < 3 * TIMEOUT
    stranger.let_go()


def test_a_thread_that_waits_behind_another_hears_it_in_time(lock: WriteLock) -> None:
    with lock.held():
        refused = threading.Event()

        def late() -> None:
            with pytest.raises(StoreUnavailable), lock.held():
                pytest.fail("it was not ours")
            refused.set()

        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
    assert refused.is_set()


def test_it_works_again_as_soon_as_the_stranger_lets_go(lock: WriteLock, path: Path) -> None:
    stranger = Stranger(path)
    for _ in range(3):
        with pytest.raises(StoreUnavailable), lock.held():
            pytest.fail("it was not ours")
    assert len(waiting_threads()) == 1
    stranger.let_go()
    wait_until(lambda: not waiting_threads())
    with lock.held():
        pass


def test_a_lock_that_came_too_late_is_not_kept(lock: WriteLock, path: Path) -> None:
    """Or this process would hold the file for nobody, and stop every other writer."""
    stranger = Stranger(path)
    with pytest.raises(StoreUnavailable), lock.held():
        pytest.fail("it was not ours")
    stranger.let_go()
    wait_until(lambda: not waiting_threads())
    Stranger(path).let_go()


def test_a_waiting_thread_takes_over_in_time(path: Path) -> None:
    lock = WriteLock(path, timeout=10)
    stranger = Stranger(path)
    held = threading.Event()

    def wait() -> None:
        with lock.held():
            held.set()

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(waiting_threads)
    assert not held.is_set()
    stranger.let_go()
    thread.join()
    assert held.is_set()
    lock.close()


def test_a_lock_can_be_closed_while_it_is_waited_for(path: Path) -> None:
    lock = WriteLock(path, TIMEOUT)
    stranger = Stranger(path)
    with pytest.raises(StoreUnavailable), lock.held():
        pytest.fail("it was not ours")
    lock.close()
    stranger.let_go()
    wait_until(lambda: not waiting_threads())
    assert not open_files(path)


def open_files(path: Path) -> list[str]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [str(link) for link in links if os.path.realpath(link) == str(path)]


def test_a_killed_process_leaves_no_lock(lock: WriteLock, path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from ingest.store.write_lock import WriteLock\n"
        "with WriteLock(Path(sys.argv[1]), 5).held():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(StoreUnavailable), lock.held():
        pytest.fail("it was not ours")
    process.kill()
    process.wait()
    process.stdout.close()
    process.stdin.close()
    wait_until(lambda: not waiting_threads())
    with lock.held():
        pass
