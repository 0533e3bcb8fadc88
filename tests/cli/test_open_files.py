"""More connections than the usual limit of open files: they are served, or told to come back."""

import contextlib
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from ingest.cli.open_files import allow_open_files
from tests.cli.command import argv, environ
from tests.services.ports import free_port
from tests.waiting import wait_until

SOFT = 64  # so many does a process have that nobody raised the limit of
CONNECTIONS = 200
ASK = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"


def test_the_receiver_serves_more_connections_than_its_soft_limit(
    tmp_path: Path, sqlite_url: str
) -> None:
    port = free_port()
    settings = {
        "HOOKKEEPER_PORT": str(port),
        "HOOKKEEPER_METRICS_PORT": "0",
        "HOOKKEEPER_DATABASE_URL": sqlite_url,
    }
    limited = ["sh", "-c", f'ulimit -S -n {SOFT}; exec "$@"', "sh", *argv("web")]
    with (tmp_path / "web.log").open("wb") as log, contextlib.ExitStack() as open_ones:
        process = subprocess.Popen(
            limited, cwd=tmp_path, env=environ(**settings), stdout=log, stderr=log
        )
        open_ones.callback(process.wait, 20)
        open_ones.callback(process.terminate)
        wait_until(lambda: alive(port), timeout=30, describe="the receiver")
        for _ in range(CONNECTIONS):
            wire = socket.create_connection(("127.0.0.1", port), timeout=10)
            open_ones.enter_context(wire)
            wire.sendall(ASK)
            assert wire.recv(65536).startswith(b"HTTP/1.1 200")


def alive(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
            wire.sendall(ASK)
            return wire.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def test_a_limit_is_raised_as_far_as_the_hard_one_and_never_lowered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The calls are replaced: a process that lowers its own hard limit cannot raise it again."""
    limits = [1_024, 4_096]
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, new: limits.__setitem__(0, new[0]))
    assert allow_open_files(2_000) == limits[0] == 2_000
    assert allow_open_files(8_000) == limits[0] == 4_096
    assert allow_open_files(1_000) == limits[0] == 4_096
    limits[:] = [1_024, resource.RLIM_INFINITY]
    assert allow_open_files(8_000) == limits[0] == 8_000
    limits[0] = resource.RLIM_INFINITY
    assert allow_open_files(8_000) == limits[0] == resource.RLIM_INFINITY
