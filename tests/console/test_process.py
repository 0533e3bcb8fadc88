"""The console as a process of its own: ``hookkeeper console``."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from ingest.store import open_database
from tests.cli.command import argv, environ, run
from tests.services.ports import free_port
from tests.store import job_making
from tests.waiting import wait_until


@pytest.fixture
def ours(tmp_path: Path, sqlite_url: str) -> dict[str, str]:
    return {
        "HOOKKEEPER_DATABASE_URL": sqlite_url,
        "HOOKKEEPER_DATA": str(tmp_path / "data"),
        "HOOKKEEPER_CONSOLE_PORT": str(free_port()),
    }


@contextmanager
def running(folder: Path, ours: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process, once it answers, and its address."""
    address = f"http://127.0.0.1:{ours['HOOKKEEPER_CONSOLE_PORT']}"
    with (folder / "console.log").open("wb") as log:
        process = subprocess.Popen(
            argv("console"), cwd=folder, env=environ(**ours), stdout=log, stderr=log
        )

    def answers() -> bool:
        assert process.poll() is None, (folder / "console.log").read_text()
        try:
            return httpx.get(f"{address}/livez").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, timeout=30, describe="the console to answer")
        yield process, address
    finally:
        process.kill()
        process.wait(timeout=20)


def test_its_first_start_makes_the_token_that_opens_it(
    tmp_path: Path, ours: dict[str, str]
) -> None:
    with running(tmp_path, ours) as (process, address):
        token = (tmp_path / "data" / "console.token").read_text().strip()
        shown = {"authorization": f"Bearer {token}"}

        assert httpx.get(f"{address}/api/v1/events").status_code == 401
        assert httpx.get(f"{address}/api/v1/events", headers=shown).json()["items"] == []

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in {0, -signal.SIGTERM}
    assert token not in (tmp_path / "console.log").read_text()


def test_a_stream_tells_while_it_runs_and_holds_up_no_shutdown(
    tmp_path: Path, ours: dict[str, str]
) -> None:
    with closing(open_database(ours["HOOKKEEPER_DATABASE_URL"])) as database:
        followed, endless = (job_making.made_one(database) for _ in range(2))
    with running(tmp_path, ours) as (process, address):
        token = (tmp_path / "data" / "console.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        jobs = f"{address}/api/v1/jobs"
        with httpx.stream("GET", f"{jobs}/{followed}/stream", headers=headers) as stream:
            told = (json.loads(line[6:]) for line in stream.iter_lines() if line[:5] == "data:")
            assert next(told)["status"] == "pending"
            httpx.post(f"{jobs}/{followed}/cancel", headers=headers).raise_for_status()
            assert [one["status"] for one in told] == ["revoked"]

        with httpx.stream("GET", f"{jobs}/{endless}/stream", headers=headers) as stream:
            assert next(stream.iter_lines()) == "event: job"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) in {0, -signal.SIGTERM}


def test_it_listens_on_loopback_only(tmp_path: Path, ours: dict[str, str]) -> None:
    with running(tmp_path, ours):
        port = int(ours["HOOKKEEPER_CONSOLE_PORT"])
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        listening = [row.split()[1] for row in table if row.split()[3] == "0A"]
        assert [each for each in listening if int(each[-4:], 16) == port] == [
            f"0100007F:{port:04X}"
        ]


def test_a_taken_port_is_named(tmp_path: Path, ours: dict[str, str]) -> None:
    with running(tmp_path, ours) as (process, _):
        done = run(tmp_path, "console", settings=ours)

    assert done.code == 2
    assert f"(process {process.pid})" in done.err
    assert "HOOKKEEPER_CONSOLE_PORT" in done.err


def test_a_configuration_that_is_wrong_is_a_message_not_a_traceback(
    tmp_path: Path, ours: dict[str, str]
) -> None:
    (tmp_path / "hookkeeper.toml").write_text('[sources.github]\nprovder = "github"\n')

    done = run(tmp_path, "console", settings=ours)

    assert done.code == 2, done.err
    assert "provder" in done.err + done.out
    assert "Traceback" not in done.err + done.out


def test_a_schema_that_is_not_ours_is_a_message_not_a_traceback(
    tmp_path: Path, ours: dict[str, str]
) -> None:
    os.truncate(ours["HOOKKEEPER_DATABASE_URL"].removeprefix("sqlite:///"), 0)

    done = run(tmp_path, "console", settings=ours)

    assert done.code != 0
    assert "hookkeeper migrate" in done.err + done.out
    assert "Traceback" not in done.err + done.out
