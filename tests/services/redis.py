"""A private Redis server on a free port; nobody's running one is used."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.services.guardian import Guardian
from tests.services.ports import free_port
from tests.services.programs import find_program
from tests.waiting import wait_until


class RedisServer:
    """One server in a temporary folder; it keeps its port and its folder over restarts."""

    def __init__(self, *, appendonly: bool = False, options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._appendonly = appendonly
        self._options = options
        self._program = find_program(("redis-server", "valkey-server"), (), "redis-server")
        self._folder = Path(tempfile.mkdtemp(prefix="hookkeeper-redis-"))
        self._guardian = Guardian(self._folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id, for tests that pause it with SIGSTOP."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it answers; nothing happens where it runs already."""
        if self.running:
            return
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, start_new_session=True
            )
        self._guardian.watch(self._process.pid)
        wait_until(self._answers, describe=f"Redis on port {self.port} to answer")

    def stop(self) -> None:
        """Shut down in order (SIGTERM), which writes an append-only file to the end."""
        self._end("terminate")

    def kill(self) -> None:
        """SIGKILL."""
        self._end("kill")

    def restart(self) -> None:
        """Kill and start again on the same port; without ``appendonly`` everything is gone."""
        self.kill()
        self.start()

    def flush(self) -> None:
        """Forget every key and every script."""
        for words in ("FLUSHALL", "SCRIPT FLUSH"):
            assert self.call(words).startswith(b"+OK")

    def close(self) -> None:
        """Stop for good and remove the folder."""
        self.kill()
        self._guardian.dismiss()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _command(self) -> list[str]:
        return [
            str(self._program),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)),
            *("--save", "", "--appendonly", "yes" if self._appendonly else "no"),
            *("--appendfsync", "always"),
            *self._options,
        ]

    def _end(self, how: str) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            getattr(self._process, how)()
        self._process.wait(timeout=20)
        self._process = None
        self._guardian.watch(0)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self._folder / "log").read_text())
        try:
            return self.call("PING").startswith(b"+PONG")
        except OSError:
            return False

    def call(self, words: str) -> bytes:
        """Send one command and return the beginning of what it answers."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(words.encode() + b"\r\n")
            return connection.recv(4096)
