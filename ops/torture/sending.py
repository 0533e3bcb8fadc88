"""The senders' process, as the harness starts and ends it."""

import contextlib
import subprocess
import sys
from pathlib import Path

from ops.torture.cluster.pipeline import ROOT

_DRAIN_SECONDS = 60.0
_GOODBYE_SECONDS = 10.0


class Sending:
    """One process of senders."""

    def __init__(self, orders: str, folder: Path, name: str) -> None:
        self.name = name
        self.gave_up = False  # it had something to send to the last
        self._log = folder / f"load-{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ops.torture.load", orders],
                cwd=ROOT,
                bufsize=0,  # so that nothing is left to be written when it has ended already
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Make no new events; those that are not acknowledged are still sent."""
        assert self._process.stdin is not None
        # It may have sent all that it was told to, and ended.
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(b"stop\n")

    @property
    def pid(self) -> int:
        """Its process, which leads its own group."""
        return self._process.pid

    def finish(self, seconds: float = _DRAIN_SECONDS) -> bool:
        """Wait until everything is acknowledged; False: it was not, and is given up for good."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds) == 0 and not self.gave_up
        self.gave_up = True
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GOODBYE_SECONDS)
        return False

    def end(self) -> None:
        """End it however it stands. Raises RuntimeError where it failed by itself."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        elif self._process.returncode:
            raise RuntimeError(f"the senders failed: {self._log.read_text()[-2000:]}")
        assert self._process.stdin is not None
        self._process.stdin.close()
