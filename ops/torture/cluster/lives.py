"""Processes that are kept running, as a supervisor would, with the times of their deaths."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.bench.processes import Guard, command_line, family
from ops.torture.waiting import NeverCame, wait_until

_RESTART_SECONDS = 0.2
_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 6.0


def send(number: int, pids: Iterable[int]) -> bool:
    """Send a signal to some processes; return whether any of them was there to get it."""
    reached = False
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            reached = True
    return reached


@dataclass(frozen=True, slots=True)
class Program:
    """What to run under which name."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    inherited: tuple[int, ...] = ()


class Life:
    """One program, restarted whenever it ends, until ``stop``."""

    def __init__(self, program: Program, folder: Path, guard: Guard) -> None:
        self.name = program.name
        self.restarts = 0
        self.deaths: list[float] = []  # when, in seconds since the epoch
        self.struck: list[float] = []  # those of them that were our doing
        self._next: Mapping[str, str] = {}  # what the next life has besides in its environment
        self._program = program
        self._folder = folder
        self._guard = guard
        self._stopping = threading.Event()
        self._held = threading.Event()  # nobody restarts it while this is set
        self._lock = threading.Lock()
        self._process = self._begin({})
        self._keeper = threading.Thread(target=self._keep, name=f"keep {self.name}", daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        """The process that runs now, or ran last."""
        return self._process.pid

    def family(self, *words: str) -> list[int]:
        """The process and all that descend from it; with words, those whose command has one."""
        found = family([self.pid])
        return [pid for pid in found if not words or any(w in command_line(pid) for w in words)]

    def signal(self, number: int, *words: str, whole: bool = False) -> bool:
        """Send a signal to the process, to its whole family, or to its members by command.

        Return whether there was anybody to get it.
        """
        reached = send(number, self.family(*words) if whole or words else [self.pid])
        if reached and number == signal.SIGKILL:
            self.note_struck()
        return reached

    def note_struck(self) -> None:
        """Write down that it is killed now, by us."""
        self.deaths.append(time.time())
        self.struck.append(time.time())

    def renew(self, more: Mapping[str, str]) -> None:
        """Start it anew, in order if it can, with more in its environment for this one life."""
        before = self.restarts
        self._next = more
        self.signal(signal.SIGTERM)
        with contextlib.suppress(NeverCame):
            wait_until(lambda: self.restarts > before, _GRACE_SECONDS, "an end in order")
        if self.restarts == before:
            self.signal(signal.SIGKILL, whole=True)
            wait_until(lambda: self.restarts > before, _GRACE_SECONDS, "a new life")

    def hold(self) -> None:
        """Kill the whole family, and let it stay dead until ``release``."""
        self._held.set()
        self._end_group()
        self._process.wait()
        self.note_struck()

    def release(self) -> None:
        """Let it be restarted again."""
        self._held.clear()

    def end(self) -> None:
        """Kill it for good: what it leaves behind was looked at before."""
        self._stopping.set()
        self._keeper.join()
        self._end_group()
        self._process.wait()

    def _keep(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            if self._process.poll() is None:
                continue
            self.deaths.append(time.time())
            self._end_group()
            while self._held.is_set() and not self._stopping.is_set():
                self._stopping.wait(_LOOK_SECONDS)
            if not self._stopping.wait(_RESTART_SECONDS):
                self.restarts += 1
                more, self._next = self._next, {}
                self._process = self._begin(more)

    def _begin(self, more: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{self.name}.log").open("ab") as log:
            process = subprocess.Popen(
                list(self._program.argv),
                cwd=self._folder,
                env={**self._program.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self._program.inherited,
            )
        self._guard.tell("start", process.pid)
        return process

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._guard.tell("end", self._process.pid)
