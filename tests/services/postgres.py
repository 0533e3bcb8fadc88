"""A private PostgreSQL cluster on a free port, durable as in production (fsync stays on)."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from tests.services.guardian import Guardian
from tests.services.ports import free_port
from tests.services.programs import find_program
from tests.waiting import wait_until

OWNER = "hookkeeper"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "timezone": "Asia/Kathmandu",  # a session's zone must never matter: +05:45 would show it
}


class PostgresServer:
    """One cluster in a temporary folder; it keeps port and data over restarts."""

    #: For subclasses: the environment of the server, though not of initdb, and more words for that.
    environ: Mapping[str, str] = os.environ
    initdb: Sequence[str] = ()

    def __init__(self, **settings: str) -> None:
        self.port = free_port()
        self._settings = SETTINGS | settings
        self._folder = Path(tempfile.mkdtemp(prefix="hookkeeper-postgres-"))
        self._guardian = Guardian(self._folder)
        self._user = _unprivileged_user()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._initialise(self.initdb)

    @property
    def running(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._process is not None
        return self._process.pid

    def url(self, name: str) -> str:
        """Return the SQLAlchemy URL of one database of this cluster."""
        return f"postgresql+psycopg://{OWNER}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start, recover where needed, and wait until it answers queries."""
        if self.running:
            return
        words = [str(_program("postgres")), "-D", str(self.data), "-p", str(self.port)]
        for name, value in self._settings.items():
            words += ["-c", f"{name}={value}"]
        words += ["-c", "unix_socket_directories="]  # TCP only: a path may be too long
        self._process = self._popen(words, self.environ)
        self._guardian.watch(self._process.pid)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it answers queries: it may have to recover first."""
        wait_until(self._answers, timeout=60, describe=f"PostgreSQL on port {self.port} to answer")

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, data is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL the postmaster and its children, as when the machine's memory ran out."""
        if self._process is None:
            return
        if not self.running:  # it has given up by itself, and its children with it
            self._end(signal.SIGKILL)
            return
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._end(signal.SIGKILL)
        for child in map(int, children):
            _kill_if_alive(child)
        wait_until(lambda: not any(map(_alive, map(int, children))), describe="backends to die")

    def restart(self) -> None:
        """Immediate shutdown (no checkpoint) and start again: every connection breaks."""
        self._end(signal.SIGQUIT)
        self.start()

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database, or a copy of an idle one, and return its URL."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and break the connections that it still has."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._execute(statement.format(sql.Identifier(name)))

    def connections(self, name: str) -> int:
        """Count the client connections that a database has now."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (name,)
            ).fetchone()
        assert row is not None
        return int(row[0])

    def execute(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        """Run a statement in a connection of its own; return the rows, if it has any."""
        with self._connect() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Stop for good and remove the folder."""
        self.kill()
        self._guardian.dismiss()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        """The folder of the cluster's files."""
        return self._folder / "data"

    def _initialise(self, more: Sequence[str]) -> None:
        words = [str(_program("initdb")), "-D", str(self.data), "-U", OWNER, "-A", "trust"]
        words += ["-E", "UTF8", "--locale=C", "--no-sync", *more]
        process = self._popen(words, os.environ)
        if process.wait(timeout=120) != 0:
            raise AssertionError(self._log())

    def _popen(self, words: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                words,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=dict(environ),
                start_new_session=True,
                user=None if self._user is None else self._user.pw_uid,
                group=None if self._user is None else self._user.pw_gid,
                extra_groups=None if self._user is None else [],
            )

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.wait(timeout=60)
        self._process = None
        self._guardian.watch(0)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=OWNER, dbname="postgres", autocommit=True
        )

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        if not self.running:
            raise AssertionError(self._log())
        try:
            self._execute(sql.Composed([sql.SQL("SELECT 1")]))
        except psycopg.OperationalError:
            return False
        return True

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")


def _program(name: str) -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return find_program((name,), tuple(folders), "postgresql")


def _version(folder: Path) -> int:
    text = folder.parent.name
    return int(text) if text.isdigit() else 0


def _unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: the account of its package, else ``nobody``."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _kill_if_alive(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
