"""Keep processes running: start, watch, restart with back-off, stop within a bound.

Each process leads its own session, so that Ctrl-C reaches the supervisor alone and a whole
family (a dramatiq master and its workers) can be ended at once. A guard process ends them all
if the supervisor is killed.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.cli.exits import CommandFailed

logger = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
#: A process that lived this long had started well: its next restart is a first one again.
HEALTHY_SECONDS = 30.0


@dataclass(frozen=True)
class Command:
    """What to run, under which name people see it, and how long it may take to stop."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    stop_seconds: float
    inherited: tuple[int, ...] = ()


def restart_pause(restarts: int) -> float:
    """Seconds to wait before restart number ``restarts`` (0 is the first) in a row."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(restarts, 30))


def kill_group(group: int) -> None:
    """SIGKILL a process and everything that it started; nothing left is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class Guard:
    """The other end of ingest/cli/guard.py: knows which process groups live."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._groups: set[int] = set()
        self._guard: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """End this group should the supervisor die."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group has ended by itself."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let the guard end; it kills what is still being watched."""
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
            self._guard.wait()

    def _tell(self, line: str) -> None:
        if self._guard is None or self._guard.poll() is not None:
            self.close()
            self._guard = self._start()
            line = "".join(f"+{group}\n" for group in sorted(self._groups))
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died just now: the next line restarts it
            self._guard.stdin.write(line.encode())
            self._guard.stdin.flush()

    def _start(self) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("guard.py")
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self._lock,),
        )


class Child:
    """One process that is kept running until ``stop``."""

    def __init__(self, command: Command, guard: Guard) -> None:
        self.command = command
        self._guard = guard
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The running process, or None between two lives."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start it. Raises CommandFailed if the program cannot be run at all."""
        self._started_at = asyncio.get_running_loop().time()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.command.argv,
                env=self.command.environ,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=self.command.inherited,
            )
        except OSError as error:
            raise CommandFailed(f"{self.command.name} cannot be started: {error}") from error
        self._guard.watch(self._process.pid)
        logger.info("process.started", process=self.command.name, pid=self._process.pid)

    async def exited(self) -> int:
        """Wait for the end of the running process, and of its family; its exit status."""
        assert self._process is not None
        process = self._process
        status = await process.wait()
        kill_group(process.pid)  # a SIGKILLed dramatiq master leaves workers that keep consuming
        self._guard.forget(process.pid)
        if self._process is process:
            self._process = None
        return status

    def keep(self) -> None:
        """From now on restart it whenever it ends."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.command.name}")

    async def _keep(self) -> None:
        restarts = 0
        while True:
            status = await self.exited()
            if self._stopping:
                return
            lived = asyncio.get_running_loop().time() - self._started_at
            restarts = 0 if lived >= HEALTHY_SECONDS else restarts
            pause = restart_pause(restarts)
            logger.warning(
                "process.exited",
                process=self.command.name,
                status=status,
                lived_seconds=round(lived, 1),
                restart_in_seconds=pause,
            )
            restarts += 1
            await asyncio.sleep(pause)
            await self._start_again()

    async def _start_again(self) -> None:
        while True:
            try:
                return await self.start()
            except CommandFailed as error:  # the program's file is being replaced, say
                logger.exception(
                    "process.start_failed", process=self.command.name, error=str(error)
                )
                await asyncio.sleep(LONGEST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """SIGTERM, wait for the command's bound, then SIGKILL the family."""
        self._stopping = True
        if self._process is None:
            await self._end_keeper()  # first: it may be starting the next life just now
        process = self._process
        if process is None:
            return
        logger.info("process.stopping", process=self.command.name, pid=process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.command.stop_seconds)
        except TimeoutError:
            logger.warning("process.killed", process=self.command.name, pid=process.pid)
        kill_group(process.pid)
        await process.wait()
        self._guard.forget(process.pid)
        await self._end_keeper()

    def kill(self) -> None:
        """End the whole family now."""
        self._stopping = True
        if self._process is not None:
            kill_group(self._process.pid)

    async def _end_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
