"""``hookkeeper tail`` follows what happens, and misses nothing that commits late."""

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.events import DeliveryState
from ingest.store import Database, claims, open_database
from tests.cli.command import argv, environ
from tests.store import making
from tests.waiting import wait_until


class Tail:
    """A running ``tail``; ``lines`` are those it has printed so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            argv("tail", "--json", *arguments),
            cwd=folder,
            env=environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def event_ids(self) -> list[str]:
        return [line["event"]["id"] for line in self.lines if "event" in line]

    def states(self) -> list[str]:
        return [line["delivery"]["state"] for line in self.lines if "delivery" in line]

    def end(self) -> tuple[int, bytes]:
        self.process.send_signal(signal.SIGINT)
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return self.process.wait(timeout=10), said


@pytest.fixture
def database(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    opened = open_database(f"sqlite:///{tmp_path}/data/hookkeeper.db")
    yield opened
    opened.close()


@pytest.fixture
def tail(tmp_path: Path, database: Database) -> Iterator[Tail]:
    """A tail that is known to follow: it has shown an event of its own."""
    running = Tail(tmp_path, "--source", "github")

    def follows() -> bool:
        making.stored(database, type="ping")
        return bool(running.event_ids())

    wait_until(follows, timeout=20)
    yield running
    if running.process.poll() is None:
        running.process.kill()


def test_events_and_outcomes_appear_once_as_they_happen(tail: Tail, database: Database) -> None:
    (ref,) = making.dispatched(database, "billing")
    wait_until(lambda: any(line.get("event", {}).get("type") == "push" for line in tail.lines))

    worker = making.a_worker(database)
    (claim,) = making.claimed(database, worker, [ref])
    claims.record(database, worker, [making.settled(claim)], {})

    wait_until(lambda: tail.states() == [DeliveryState.SUCCEEDED])
    ids = tail.event_ids()
    assert len(ids) == len(set(ids))
    assert tail.end() == (0, b"")


def test_an_event_that_commits_late_is_not_missed(tail: Tail, database: Database) -> None:
    """Its id and its time are older than those that were shown already."""
    late = making.arrival(received_at=making.now_ms())
    (newer,) = making.stored(database)
    wait_until(lambda: newer.id in tail.event_ids())

    making.accepted(database, late)

    wait_until(lambda: late.event_id in tail.event_ids())
    tail.end()


def test_other_sources_are_left_out(tail: Tail, database: Database) -> None:
    (other,) = making.stored(database, source="stripe")
    (ours,) = making.stored(database)

    wait_until(lambda: ours.id in tail.event_ids())

    assert other.id not in tail.event_ids()
    tail.end()
