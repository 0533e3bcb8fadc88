"""Processes of the benchmark: started, watched, accounted for, and ended however the run ends."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STOP_SECONDS = 60

# It kills process groups, because our servers have children; " 12 34 " is its list of them.
_GUARD = """
groups=' '
while read -r word group; do
    case $word in
        start) groups="$groups$group " ;;
        end) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
rm -rf -- "$1"
"""


class Guard:
    """Outlives the benchmark: kills what it left running and removes its folder.

    It waits for the end of its standard input, which comes with SIGKILL too.
    """

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(folder)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it
        )

    def tell(self, word: str, group: int) -> None:
        """Say that a process group began (``start``) or is gone (``end``)."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word} {group}\n")
        self._process.stdin.flush()

    def dismiss(self) -> None:
        """Kill what is left, remove the folder, and return when both is done.

        Or after two minutes, on a disk that is slow at removing: it goes on by itself, and what
        was measured is not lost with it.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=120)


class Process:
    """A program in a session of its own, whose output goes to a file; a context manager."""

    def __init__(
        self,
        guard: Guard,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._guard = guard
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(os.environ if environ is None else environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        guard.tell("start", self.pid)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def tail(self) -> str:
        """Return the end of what it printed."""
        return self.log.read_text(errors="replace")[-3000:]

    def wait(self, timeout: float) -> int:
        """Return its exit status. Raises subprocess.TimeoutExpired after so many seconds."""
        return self._process.wait(timeout)

    def stop(self) -> None:
        """SIGTERM; whatever of its group is left after that, or after a minute, is killed."""
        if self.status is None:
            self._process.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):  # all of them have ended in order
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            self._guard.tell("end", self.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def family(roots: Iterable[int]) -> list[int]:
    """Return the processes and all that descend from them, without those that ended."""
    of = parents()
    found = [root for root in roots if root in of]
    for pid in found:  # grows while it is walked
        found.extend(child for child, parent in of.items() if parent == pid)
    return found


def parents() -> dict[int, int]:
    """Return the parent of every process of the machine."""
    return {pid: int(fields[1]) for pid, fields in _all_stats()}


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return what these and their descendants have spent on cores, ended and reaped ones too."""
    return sum(map(cpu_seconds_of, family(roots)))


def cpu_seconds_of(pid: int) -> float:
    """Return what one process and its reaped children have spent; 0 when it has ended."""
    fields = _stat(pid)
    ticks = sum(map(int, fields[11:15])) if fields else 0  # utime stime cutime cstime
    return ticks / _TICKS_PER_SECOND


def resident_bytes(roots: Iterable[int]) -> int:
    """Return the resident memory of these and their descendants; shared pages count in each."""
    return sum(resident_bytes_of(pid) for pid in family(roots))


def resident_bytes_of(pid: int) -> int:
    """Return one process's resident memory; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def command_line(pid: int) -> str:
    """Return a process's command line; "" when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def _all_stats() -> Iterable[tuple[int, list[str]]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := _stat(int(path.name))):
            yield int(path.name), fields


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on, the state; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
