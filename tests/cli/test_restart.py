"""A rolling restart: everything is new afterwards, and no sender noticed."""

import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import Up, running, starting
from tests.live.load import SENDINGS
from tests.pipeline import SECRET, github_headers
from tests.waiting import wait_until

pytestmark = pytest.mark.live

CONFIG = """
handlers = ["handlers"]

[sources.github]
provider = "github"
secrets = ["env:GITHUB_SECRET"]
"""
HANDLERS = """
from pathlib import Path

from ingest import Event, on


@on("github", name="keep")
def keep(event: Event) -> None:
    (Path(__file__).parent / "handled" / event.id).touch()
"""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with pipeline(tmp_path, workers=1) as started:
        yield started


@contextmanager
def pipeline(folder: Path, *, workers: int) -> Iterator[Up]:
    (folder / "hookkeeper.toml").write_text(CONFIG)
    (folder / "handlers.py").write_text(HANDLERS)
    (folder / "handled").mkdir()
    with running(folder, {"GITHUB_SECRET": SECRET, "HOOKKEEPER_WORKERS": str(workers)}) as started:
        yield started


class Senders:
    """Post until told to stop, one on a connection of its own for each event, one on a kept one.

    Each event is sent a few times (``SENDINGS``). ``failed``: every answer that was no success, and
    every connection that brought none.
    """

    def __init__(self, up: Up) -> None:
        self.accepted: list[str] = []
        self.failed: list[str] = []
        self._up = up
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(kept, number))
            for number, kept in enumerate((False, False, True, True))
        ]

    @contextmanager
    def sending(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _send(self, kept: bool, number: int) -> None:  # noqa: FBT001 - of this class alone
        connection = self._connect()
        count = 0
        while not self._stop.wait(0.05):
            count += 1
            delivery = f"{count // SENDINGS} of {number}"
            body = json.dumps({"n": delivery}).encode()
            headers = github_headers(body, delivery=delivery)
            headers["Connection"] = "keep-alive" if kept else "close"
            try:
                connection.request("POST", "/in/github", body, headers)
                answer = connection.getresponse()
                said = answer.read()
                closes = answer.will_close
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
                continue
            if answer.status in (200, 202):
                self.accepted.append(said.decode().split('"')[3])
            else:
                self.failed.append(f"{answer.status} {said.decode()}")
            if closes:
                connection.close()
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._up.port, timeout=30)


def handled(up: Up) -> set[str]:
    return {path.name for path in (up.folder / "handled").iterdir()}


def test_a_restart_under_load_fails_no_request_and_replaces_every_process(tmp_path: Path) -> None:
    names = ("web", "worker-1", "worker-2", "scheduler", "console")
    with pipeline(tmp_path, workers=2) as up:
        senders = Senders(up)
        with senders.sending():
            for number in range(1, 4):
                done = up.run("restart")
                assert done.code == 0, done.err + up.said[-3000:]
                assert [len(up.pids(name)) for name in names] == [number + 1] * len(names)
        assert senders.failed == []
        accepted = set(senders.accepted)
        assert len(senders.accepted) > len(accepted) > 100
        assert len(up.pids("redis")) == 1
        wait_until(lambda: accepted <= handled(up), timeout=60, describe="every event's handler")
        wait_until(
            lambda: not set(up.pids("web")[:-1]) & set(up.family()), describe="old ones gone"
        )


def test_what_a_restart_brought_is_restarted_when_it_is_killed(up: Up) -> None:
    """Its first life told who started it that it was ready; nobody listens to the next ones."""
    servers = {"web": "HOOKKEEPER_PORT", "console": "HOOKKEEPER_CONSOLE_PORT"}
    assert up.run("restart").code == 0
    for name in servers:
        os.kill(up.pids(name)[-1], signal.SIGKILL)
    wait_until(lambda: all(len(up.pids(name)) == 3 for name in servers), describe="third lives")
    for setting in servers.values():
        with socket.create_connection(("127.0.0.1", int(up.settings[setting])), 30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(9) == b"HTTP/1.1 "
    assert [len(up.pids(name)) for name in servers] == [3, 3]


def started(up: Up) -> bool:
    """Whether workers and scheduler have read the file: `up` is ready without them."""
    return '"worker.started"' in up.said and '"scheduler.started"' in up.said


def test_a_configuration_with_a_mistake_restarts_nothing_and_says_why(up: Up) -> None:
    wait_until(lambda: started(up), timeout=60, describe="every process at work")
    before = {name: up.pids(name) for name in ("web", "worker-1", "scheduler")}
    (up.folder / "hookkeeper.toml").write_text(CONFIG + "\n[sources.other]\n")

    done = up.run("restart")

    assert done.code == 1
    assert "config check" in done.err
    assert {name: up.pids(name) for name in before} == before
    senders = Senders(up)
    with senders.sending():
        wait_until(lambda: len(senders.accepted) > 5, describe="events accepted as before")

    (up.folder / "hookkeeper.toml").write_text(CONFIG)
    assert up.run("restart").code == 0


def test_workers_that_could_not_start_are_not_begun_with(up: Up) -> None:
    """Nobody waits until a worker is ready, so its code is read before anything is replaced."""
    before = {name: up.pids(name) for name in ("web", "worker-1", "scheduler")}
    (up.folder / "actors.py").write_text("raise RuntimeError('this release is no good')")

    done = up.run("restart")

    assert done.code == 1
    assert "code of the workers" in done.err
    assert "this release is no good" in up.said
    assert {name: up.pids(name) for name in before} == before


def test_two_at_once_are_each_told_of_a_restart_that_began_after_they_asked(up: Up) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(up.run, "restart")
        wait_until(lambda: len(up.pids("web")) == 2, timeout=30, describe="the first to begin")
        second = up.run("restart")
        assert (first.result().code, second.code) == (0, 0), second.err
    assert up.said.count('"event":"pipeline.restarted"') == 2
    assert len(up.pids("web")) == 3


def test_who_asks_too_early_is_heard_when_everything_is_started(tmp_path: Path) -> None:
    """The signal would end a process that does not listen for it."""
    with starting(tmp_path) as up:
        wait_until(lambda: up.pids("redis"), timeout=30, describe="its first process")
        up.process.send_signal(signal.SIGUSR1)
        up.wait_ready()
        wait_until(
            lambda: '"event":"pipeline.restarted"' in up.said, timeout=60, describe="the restart"
        )
        assert len(up.pids("web")) == 2


def test_a_disk_without_room_makes_no_restart_deaf(up: Up) -> None:
    """run.json cannot be written; whoever asks again is heard."""
    obstacle = up.folder / "data" / "run.json.new"
    obstacle.mkdir()
    up.process.send_signal(signal.SIGUSR1)
    wait_until(
        lambda: '"event":"pipeline.restarted"' in up.said, timeout=60, describe="the restart"
    )
    wait_until(lambda: up.said.count("pipeline.not_announced") == 2, describe="both words of it")
    obstacle.rmdir()
    up.process.send_signal(signal.SIGUSR1)
    wait_until(
        lambda: up.said.count('"event":"pipeline.restarting"') == 2, describe="the next restart"
    )


def test_a_stop_in_the_middle_of_a_restart_leaves_nothing(up: Up) -> None:
    up.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: len(up.pids("web")) == 2, timeout=30, describe="a second receiver")

    assert up.stop() == 0

    wait_until(lambda: up.family() == [], describe="nobody left")


def test_without_a_pipeline_there_is_nothing_to_restart(tmp_path: Path) -> None:
    done = Up(tmp_path, 0, {}, None).run("restart")  # type: ignore[arg-type]  # it runs no process

    assert done.code == 3
    assert "no `hookkeeper up` runs in this folder" in done.err
