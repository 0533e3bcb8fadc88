"""Processes are kept running, and none of them outlives its pipeline."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ingest.cli.exits import CommandFailed
from ingest.cli.folder import take
from ingest.cli.guard import alive
from ingest.cli.processes import Child, Command, Guard, restart_pause
from tests.waiting import wait_until, wait_until_async

#: A process with a child of its own, which notes both ids in a file and never ends by itself.
FAMILY = """
import os, subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
with open("pids", "a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
threading.Event().wait()
"""
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FAMILY}"


def lives(folder: Path) -> list[list[int]]:
    """The process ids of each life that the program noted, whole lines only."""
    path = folder / "pids"
    text = path.read_text() if path.exists() else ""
    return [[int(pid) for pid in line.split()] for line in text.splitlines() if "\n" in text]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def supervised(
    folder: Path, program: str, story: Callable[[Child], Awaitable[None]], stop_seconds: float = 5
) -> None:
    """Run a story about one child; the child is gone at its end, whatever happens."""

    async def session() -> None:
        with take(folder / "data").lock as lock:
            guard = Guard(lock.fileno())
            argv = [sys.executable, "-c", program]
            child = Child(Command("test", argv, dict(os.environ), stop_seconds), guard)
            try:
                await story(child)
            finally:
                child.kill()
                await child.stop()
                guard.close()

    asyncio.run(session())


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_restarts_back_off_from_a_fifth_of_a_second_to_ten() -> None:
    assert [restart_pause(number) for number in range(4)] == [0.2, 0.4, 0.8, 1.6]
    assert restart_pause(6) == restart_pause(1_000_000) == 10


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    async def story(child: Child) -> None:
        await child.start()
        child.keep()
        await wait_until_async(lambda: len(lives(tmp_path)) == 1)
        os.kill(lives(tmp_path)[0][0], signal.SIGKILL)
        await wait_until_async(lambda: len(lives(tmp_path)) == 2)

    supervised(tmp_path, FAMILY, story)


def test_what_a_killed_process_started_is_ended_before_its_next_life(tmp_path: Path) -> None:
    """The workers of a killed dramatiq master would go on consuming (dramatiq #788)."""

    async def story(child: Child) -> None:
        await child.start()
        child.keep()
        await wait_until_async(lambda: lives(tmp_path))
        leader, orphan = lives(tmp_path)[0]
        os.kill(leader, signal.SIGKILL)
        await wait_until_async(lambda: not is_running(orphan))

    supervised(tmp_path, FAMILY, story)


def test_stopping_ends_the_whole_family(tmp_path: Path) -> None:
    async def story(child: Child) -> None:
        await child.start()
        child.keep()
        await wait_until_async(lambda: lives(tmp_path))
        await child.stop()
        await wait_until_async(lambda: not any(is_running(pid) for pid in lives(tmp_path)[0]))

    supervised(tmp_path, FAMILY, story)
    assert len(lives(tmp_path)) == 1, "a stopped process was started again"


def test_a_process_that_ignores_sigterm_is_killed_after_its_bound(tmp_path: Path) -> None:
    async def story(child: Child) -> None:
        await child.start()
        child.keep()
        await wait_until_async(lambda: lives(tmp_path))
        started = time.monotonic()
        await child.stop()
        assert 0.5 <= time.monotonic() - started < 5
        await wait_until_async(lambda: not any(is_running(pid) for pid in lives(tmp_path)[0]))

    supervised(tmp_path, STUBBORN, story, stop_seconds=0.5)


def test_a_process_can_be_stopped_while_it_waits_for_its_restart(tmp_path: Path) -> None:
    async def story(child: Child) -> None:
        await child.start()
        child.keep()
        await wait_until_async(lambda: child.pid is None)
        await asyncio.wait_for(child.stop(), 2)
        assert child.pid is None

    supervised(tmp_path, "raise SystemExit(7)", story)


def test_a_program_that_is_not_there_is_an_error_for_people(tmp_path: Path) -> None:
    async def session() -> None:
        with take(tmp_path).lock as lock:
            command = Command("redis", ["/nonexistent/redis-server"], {}, 1)
            await Child(command, Guard(lock.fileno())).start()

    with pytest.raises(CommandFailed, match="redis cannot be started"):
        asyncio.run(session())


SUPERVISOR = f"""
import asyncio, os, pathlib, sys
from ingest.cli.folder import take
from ingest.cli.processes import Child, Command, Guard

async def session():
    folder = take(pathlib.Path("data"))
    guard = Guard(folder.lock.fileno())
    child = Child(Command("test", [sys.executable, "-c", {FAMILY!r}], dict(os.environ), 5), guard)
    await child.start()
    child.keep()
    pathlib.Path("guard").write_text(str(guard._guard.pid))
    await asyncio.Event().wait()

asyncio.run(session())
"""


@pytest.fixture
def supervisor() -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    return subprocess.Popen([sys.executable, "-c", SUPERVISOR], env=environ)


def test_nothing_outlives_a_killed_supervisor(
    tmp_path: Path, supervisor: subprocess.Popen[bytes]
) -> None:
    family = wait_until(lambda: lives(tmp_path))[0]

    supervisor.kill()
    supervisor.wait()

    wait_until(lambda: not any(is_running(pid) for pid in family))
    guard = int((tmp_path / "guard").read_text())
    wait_until(lambda: not is_running(guard), describe="the guard to end too")
    take(tmp_path / "data").lock.close()


def test_a_killed_guard_is_replaced_and_knows_the_family(tmp_path: Path) -> None:
    async def story(child: Child) -> None:
        await child.start()
        child.keep()
        await wait_until_async(lambda: lives(tmp_path))
        guard = child._guard._guard
        assert guard is not None
        guard.kill()
        guard.wait()

        os.kill(lives(tmp_path)[0][0], signal.SIGKILL)
        await wait_until_async(lambda: len(lives(tmp_path)) == 2)

        replaced = child._guard._guard
        assert replaced is not None
        assert replaced.poll() is None
        assert alive(lives(tmp_path)[1][0])

    supervised(tmp_path, FAMILY, story)
