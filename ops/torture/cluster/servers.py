"""The servers of a trial: PostgreSQL with a standby, Redis with a replica and a sentinel."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.torture.waiting import wait_until
from tests.services.ports import free_port
from tests.services.postgres import OWNER, PostgresServer
from tests.services.programs import find_program
from tests.services.redis import RedisServer

_SYNCHRONOUS = "torture"
_SENTINEL = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor torture 127.0.0.1 {primary} 1
sentinel down-after-milliseconds torture 1000
sentinel failover-timeout torture 5000
"""


class Primary(PostgresServer):
    """A server that the shim can lie to; its files are so small that a twin of each is cheap."""

    initdb = ("--wal-segsize=1",)

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = {**os.environ, **environ}
        super().__init__(max_connections="60")


class Standby(PostgresServer):
    """A copy of another server that follows it synchronously until it is promoted."""

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__()

    def _initialise(self, more: Sequence[str]) -> None:
        program = find_program(
            ("pg_basebackup",), tuple(Path("/usr/lib/postgresql").glob("*/bin")), "postgresql"
        )
        source = (
            f"host=127.0.0.1 port={self._primary.port} user={OWNER} application_name={_SYNCHRONOUS}"
        )
        words = [
            str(program),
            "-D",
            str(self.data),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-d",
            source,
        ]
        process = self._popen([*words, *more], os.environ)
        if process.wait(timeout=120) != 0:
            raise RuntimeError(self._log())

    def follow(self) -> None:
        """Start to follow, and let no commit of the primary end without this one."""
        self.start()
        self._primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_SYNCHRONOUS}'")
        self._primary.execute("SELECT pg_reload_conf()")
        wait_until(self._is_synchronous, 30, "a synchronous standby")

    def promote(self) -> None:
        """Become the primary."""
        self.execute("SELECT pg_promote(true, 30)")

    def _is_synchronous(self) -> bool:
        rows = self._primary.execute("SELECT sync_state FROM pg_stat_replication")
        return ("sync",) in rows


class Sentinel:
    """One sentinel over a primary and its replica."""

    def __init__(self, folder: Path, primary: RedisServer) -> None:
        self._port = free_port()
        self._primary = primary
        folder.mkdir()
        config = folder / "sentinel.conf"
        config.write_text(_SENTINEL.format(port=self._port, folder=folder, primary=primary.port))
        program = find_program(("redis-server", "valkey-server"), (), "redis-server")
        with (folder / "sentinel.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), str(config), "--sentinel"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def chosen(self) -> int:
        """The port of the server that it takes for the primary; 0 while it does not answer."""
        import redis  # noqa: PLC0415 - the client is only needed here

        try:
            with redis.Redis(port=self._port, socket_timeout=2) as client:
                address = client.sentinel_get_master_addr_by_name("torture")
            return address[1] if isinstance(address, tuple) else 0
        except redis.RedisError:
            return 0

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def backends(server: PostgresServer) -> list[int]:
    """The processes of a PostgreSQL server: the postmaster first, then its children."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [server.pid, *map(int, children)]


def freeze(pids: Sequence[int], *, on: bool) -> None:
    """Stop processes, or let them go on."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)
        except ProcessLookupError:
            continue


class SmallDisk:
    """A tmpfs of so many bytes and files, mounted on a folder. Needs root."""

    def __init__(self, folder: Path, *, size: int, files: int = 0) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={size}" + (f",nr_inodes={files}" if files else "")
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no byte."""
        with (self.folder / "filling").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                return

    def use_up_files(self) -> None:
        """Leave no file to be made."""
        folder = self.folder / "files"
        try:
            folder.mkdir()
            for number in range(1_000_000):
                (folder / str(number)).touch()
        except OSError:
            return

    def clear(self) -> None:
        """Give the room back."""
        (self.folder / "filling").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "files", ignore_errors=True)

    def close(self) -> None:
        """Unmount it, whatever still uses it."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False)
