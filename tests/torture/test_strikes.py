"""A fault that found nothing to strike, or struck nobody, says so and does not count as struck."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ingest.failpoints import Armed
from ops.bench.processes import Guard
from ops.torture import catalogue
from ops.torture.cluster.lives import Life, Program
from ops.torture.faults import poison, process, traffic
from ops.torture.load import Orders, Senders
from ops.torture.sending import Sending
from ops.torture.stage import NotStruck, Stage
from ops.torture.strikes import strike
from ops.torture.waiting import wait_until

FAULTS = catalogue.read()


class Unanswered:
    """Senders of whom not everybody was answered."""

    name = "some"

    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True

    def finish(self, _seconds: float) -> bool:
        return False


def stage_of(**parts: object) -> Stage:
    """As much of a stage as a fault needs."""
    given = SimpleNamespace(stretch=1.0, plan=SimpleNamespace(seed=7), poison={}, **parts)
    given.answered = lambda sending: Stage.answered(cast("Stage", given), sending)
    return cast("Stage", given)


@pytest.mark.parametrize("name", ["poison_exit", "large_bodies", "late_senders"])
def test_senders_who_were_not_all_answered_struck_nothing(name: str) -> None:
    stage = stage_of(send=lambda _name, **_orders: Unanswered())

    with pytest.raises(NotStruck), strike(stage, FAULTS[name]):
        pass


def test_poison_is_known_by_its_keys_and_by_what_it_does() -> None:
    stage = stage_of(send=lambda _name, **_orders: Unanswered())

    with contextlib.suppress(NotStruck), poison.poison(stage, do="exit", count=1):
        pass

    assert stage.poison == {"7-poison-exit-": "exit"}


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse one request, and break the connection off at the next."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.splitlines() if "content-length" in line)
        await reader.readexactly(int(length.split(": ")[1]))
        writer.write(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def _send_what_is_stale(log: Path) -> None:
    server = await asyncio.start_server(_refuse, "127.0.0.1", 0)
    orders = Orders(
        port=server.sockets[0].getsockname()[1],
        log=str(log),
        seed=1,
        prefix="late-",
        rate=1_000.0,
        connections=2,
        count=20,
        sources=("stripe",),
        late_seconds=3_600.0,
        forged=0.0,
    )
    async with server:
        await asyncio.wait_for(Senders(orders).run(asyncio.Event(), asyncio.Event()), 30)


def test_senders_of_what_is_stale_are_done_when_all_of_it_was_answered(tmp_path: Path) -> None:
    """Nothing of theirs is ever acknowledged, and some of it has to be sent twice to be heard."""
    log = tmp_path / "answers.jsonl"

    asyncio.run(_send_what_is_stale(log))

    answers = [json.loads(line) for line in log.read_text().splitlines()]
    assert {one["key"] for one in answers if one["status"] == 401} == {
        f"late-{number}" for number in range(20)
    }


def test_senders_who_gave_up_stay_so_however_often_they_are_asked(tmp_path: Path) -> None:
    """They end well in the end: that they were let go does not mean that they were heard."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = int(nobody.getsockname()[1])
    orders = Orders(
        port=port,
        log=str(tmp_path / "answers.jsonl"),
        seed=1,
        prefix="unheard-",
        rate=100.0,
        connections=1,
        count=1,
    )
    sending = Sending(json.dumps(asdict(orders)), tmp_path, "unheard")
    wait_until((tmp_path / "answers.jsonl").exists, 30.0, "senders")

    assert [sending.finish(0.2), sending.finish(10.0)] == [False, False]
    assert sending.gave_up
    sending.end()


def test_slow_clients_last_longer_than_what_a_head_or_a_body_may_take() -> None:
    assert FAULTS["slow_clients"].seconds[0] >= 12.0


def test_slow_clients_whom_nobody_lets_go_struck_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as deaf:
        port = int(deaf.getsockname()[1])
        stage = stage_of(pipeline=SimpleNamespace(port=port))
        stage.stretch = 0.01

        with pytest.raises(NotStruck), traffic.slow_clients(stage, connections=8):
            pass


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Life]:
    """A receiver without a writer."""
    argv = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    guard = Guard(tmp_path / "guarded")
    life = Life(Program("web", argv, {}), tmp_path, guard)
    yield life
    life.end()
    guard.dismiss()


Fault = Callable[..., AbstractContextManager[None]]


@pytest.mark.parametrize("fault", [process.kill, process.stop, process.few_files])
@pytest.mark.parametrize("member", ["ingest.writer", "child"])
def test_a_process_that_is_not_there_cannot_be_struck(
    lone: Life, fault: Fault, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_MEMBER_SECONDS", 0.1)
    stage = stage_of(pipeline=SimpleNamespace(lives={"web": lone}))

    with pytest.raises(NotStruck), fault(stage, role="web", member=member):
        pass

    assert lone.struck == []


def test_the_example_of_a_failpoint_is_one() -> None:
    text = Path("ingest/failpoints.py").read_text().split("``")[1]

    assert Armed(text)
