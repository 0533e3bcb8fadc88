"""One pipeline a folder, and how the other commands find it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.cli.exits import CommandFailed
from ingest.cli.folder import take
from ingest.config.settings import load_settings, running_pipeline
from tests.cli.command import environ

FACTS: dict[str, object] = {
    "database_url": "sqlite:////elsewhere/hookkeeper.db",
    "broker_url": "unix:///elsewhere/redis.sock",
    "host": "127.0.0.1",
    "port": "18080",
    "metrics_port": "19464",
    "console_port": "18091",
}


def test_the_data_directory_is_made_private(tmp_path: Path) -> None:
    with take(tmp_path / "deep" / "data").lock:
        assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700


def test_a_second_pipeline_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with take(tmp_path).lock, pytest.raises(CommandFailed) as caught:
        take(tmp_path)

    assert f"(process {os.getpid()})" in str(caught.value)
    assert f"kill {os.getpid()}" in str(caught.value)


def test_a_folder_is_free_again_after_its_pipeline(tmp_path: Path) -> None:
    first = take(tmp_path)
    first.lock.close()

    second = take(tmp_path)
    assert not second.lock.closed
    second.lock.close()


def test_the_lock_waits_for_the_guard_of_a_killed_pipeline(tmp_path: Path) -> None:
    """The lock outlives its dead owner for as long as the guard ends what is left."""
    folder = take(tmp_path)
    guard = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(folder.lock.fileno(),),
    )
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / "up.lock").write_text(str(dead.pid))
    folder.lock.close()

    waiting = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from ingest.cli import folder; folder.take(folder.Path('.'))",
        ],
        cwd=tmp_path,
        env=environ(),
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=1.5)
    guard.communicate()

    assert waiting.wait(timeout=10) == 0


def test_commands_find_a_running_pipeline_and_forget_a_stopped_one(tmp_path: Path) -> None:
    folder = take(tmp_path / "data")
    folder.announce(FACTS)

    assert load_settings({}, tmp_path).port == 18080
    assert load_settings({"HOOKKEEPER_PORT": "1"}, tmp_path).port == 1

    folder.lock.close()  # as by SIGKILL: run.json is still there
    assert load_settings({}, tmp_path).port == 8080


def test_run_json_is_only_for_its_owner(tmp_path: Path) -> None:
    """The addresses in it may hold passwords."""
    folder = take(tmp_path)
    with folder.lock:
        folder.announce(FACTS)
        path = tmp_path / "run.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text()) == FACTS == running_pipeline(tmp_path)

        folder.forget()
        assert running_pipeline(tmp_path) is None


def test_a_directory_that_cannot_be_made_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandFailed, match="HOOKKEEPER_DATA"):
        take(tmp_path / "file" / "data")
