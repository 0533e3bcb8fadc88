"""``hookkeeper up`` in a folder, as a user starts it: with a private Redis and free ports."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.command import Done, argv, environ, run
from tests.services.ports import free_port
from tests.waiting import wait_until


@dataclass
class Up:
    """A running supervisor and what it says."""

    folder: Path
    port: int
    settings: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        return (self.folder / "up.log").read_text(errors="replace")

    def run(self, *arguments: str, stdin: bytes = b"") -> Done:
        """A command in the same folder. It gets no setting: it has to find the pipeline itself."""
        return run(self.folder, *arguments, stdin=stdin)

    def ended(self, timeout: float) -> int:
        """Wait for its end and return the exit code; where it does not end, show what it said."""
        try:
            return self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.said[-4000:]}") from None

    def pids(self, name: str) -> list[int]:
        """Every process id that a child of this name has had, in order."""
        found = re.findall(r'"process":"(.*?)","pid":(\d+),"event":"process.started"', self.said)
        return [int(pid) for process, pid in found if process == name]

    def family(self) -> list[int]:
        """Every living process in this folder's sessions, the supervisor and its guard included."""
        return [pid for pid in _all_pids() if self._belongs(pid)]

    def _belongs(self, pid: int) -> bool:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(self.folder)
        except OSError:
            return False

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.said
            return " is ready." in self.said

        wait_until(ready, timeout=60, describe="`up` to be ready")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=45)


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


@contextmanager
def starting(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Up]:
    """Start ``up``; nothing of it is left at the end, whatever the test did."""
    port = free_port()
    own = {
        "HOOKKEEPER_PORT": str(port),
        "HOOKKEEPER_METRICS_PORT": str(free_port()),
        "HOOKKEEPER_CONSOLE_PORT": str(free_port()),
        "HOOKKEEPER_WORKERS": "1",
        "HOOKKEEPER_COMMIT_TIMEOUT": "5s",  # a shared disk may stall for longer than the default
        **(settings or {}),
    }
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            argv("up"), cwd=folder, env=environ(**own), stdout=log, stderr=subprocess.STDOUT
        )
    up = Up(folder, port, own, process)
    try:
        yield up
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=45)
            finally:
                process.kill()
                process.wait()
        for pid in up.family():
            os.kill(pid, signal.SIGKILL)


@contextmanager
def running(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Up]:
    """Start ``up`` and wait until it is ready."""
    with starting(folder, settings) as up:
        up.wait_ready()
        yield up
