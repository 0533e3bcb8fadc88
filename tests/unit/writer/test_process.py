"""The real process: ``python -m ingest.writer``, killed, signalled, left alone and overfed."""

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from ingest.errors import StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.store import open_database, queries
from ingest.store.schema import events
from ingest.writer import Writer, link, wire
from ingest.writer.wire import Parcel
from tests.unit.writer.desk import (
    Processes,
    accepted,
    arrival,
    locked,
    orders,
    outcomes,
    stored,
)
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.anyio


class Link:
    """A started writer and the processes it took."""

    def __init__(self, url: str) -> None:
        self.processes = Processes()
        self.writer = Writer(orders(url), timeout_seconds=20.0, start_process=self.processes.start)

    def signal(self, number: int) -> None:
        os.kill(self.processes.started[-1].pid, number)


@contextlib.asynccontextmanager
async def linked(url: str) -> AsyncIterator[Link]:
    link = Link(url)
    await link.writer.start(patience_seconds=20.0)
    try:
        yield link
    finally:
        await link.writer.stop()


async def test_a_stopped_writer_has_committed_and_ended(database_url: str) -> None:
    many = [arrival() for _ in range(600)]
    async with linked(database_url) as link:
        waiting = [asyncio.ensure_future(link.writer.accept(one)) for one in many]
        await asyncio.wait(waiting[:1])
    assert [await one for one in waiting] == [Accepted(one.event_id) for one in many]
    (process,) = link.processes.started
    await wait_until_async(lambda: process.poll() == 0, describe="its end")


async def test_who_waits_for_a_writer_that_is_killed_hears_so_and_the_next_one_serves(
    sqlite_url: str,
) -> None:
    async with linked(sqlite_url) as link:
        assert not link.writer.trouble
        link.signal(signal.SIGSTOP)
        waiting = asyncio.gather(*map(link.writer.accept, several()), return_exceptions=True)
        await wait_until_async(lambda: len(link.writer._waiting) == 200, describe="all to wait")
        link.signal(signal.SIGKILL)
        answers = await waiting
        assert {(type(one), str(one)) for one in answers} == {
            (StoreUnavailable, "The writer process ended before it had committed.")
        }
        assert "writer process ended" in str(link.writer.trouble)
        with pytest.raises(StoreUnavailable):
            await link.writer.accept(arrival())
        await wait_until_async(lambda: not link.writer.trouble, describe="a new writer")
        assert await accepted(link.writer, arrival())
    assert [process.wait(timeout=5) for process in link.processes.started] == [-9, 0]


def several() -> list[Arrival]:
    return [arrival() for _ in range(200)]


async def test_nothing_acknowledged_is_lost_by_kills_under_load(database_url: str) -> None:
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def send(writer: Writer) -> None:
        while not enough.is_set():
            one = arrival()
            if await accepted(writer, one):
                acknowledged.append(one.event_id)
            else:  # as a sender that tries again when it is welcome
                await wait_until_async(lambda: enough.is_set() or not writer.trouble)

    async with linked(database_url) as link:
        senders = [asyncio.create_task(send(link.writer)) for _ in range(50)]
        for kills in range(1, 3):
            before = len(acknowledged)
            await wait_until_async(lambda: len(acknowledged) > before + 200, describe="load")  # noqa: B023 - asked for at once
            link.signal(signal.SIGKILL)
            await wait_until_async(
                lambda: len(link.processes.started) > kills,  # noqa: B023 - likewise
                describe="a new writer",
            )
        before = len(acknowledged)
        await wait_until_async(lambda: len(acknowledged) > before, describe="it to commit")
        enough.set()
        await asyncio.gather(*senders)
    assert stored(database_url, acknowledged) == set(acknowledged)


async def test_a_writer_that_stands_still_is_replaced_and_nothing_acknowledged_is_lost(
    database_url: str,
) -> None:
    """Stopped, it holds its locks and answers nobody; a person would have to notice."""
    acknowledged: list[Arrival] = []
    refused: list[Arrival] = []
    async with linked(database_url) as link:
        load = Load(link.writer, acknowledged, refused)
        async with load.running(20):
            await wait_until_async(lambda: len(acknowledged) > 100, describe="load")
            link.signal(signal.SIGSTOP)
            stopped_at = time.monotonic()
            await wait_until_async(
                lambda: len(link.processes.started) == 2, timeout=20, describe="another writer"
            )
            before = len(acknowledged)
            await wait_until_async(
                lambda: len(acknowledged) > before, timeout=20, describe="it to commit"
            )
            assert time.monotonic() - stopped_at < 15
    assert link.processes.started[0].poll() == -signal.SIGKILL
    ids = [one.event_id for one in acknowledged]
    assert stored(database_url, ids) == set(ids)
    assert refused, "some waited for the one that stood still"
    keys = len({one.dedupe_key for one in acknowledged})
    with contextlib.closing(open_database(database_url)) as database, database.read() as tx:
        assert tx.execute(select(func.count()).select_from(events)).scalar_one() == keys


class Load:
    """Senders of events, who send one again, under a new id, until it is acknowledged."""

    def __init__(self, writer: Writer, acknowledged: list[Arrival], refused: list[Arrival]) -> None:
        self._writer = writer
        self._acknowledged = acknowledged
        self._refused = refused
        self._enough = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, senders: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._send(number)) for number in range(senders)]
        try:
            yield
        finally:
            self._enough.set()
            await asyncio.gather(*tasks)

    async def _send(self, sender: int) -> None:
        number = 0
        while not self._enough.is_set():
            number += 1
            await self._insist(b"%d.%d" % (sender, number))

    async def _insist(self, key: bytes) -> None:
        while True:
            one = arrival(key=key)
            try:
                said = await self._writer.accept(one)
            except StoreUnavailable:
                self._refused.append(one)
                await wait_until_async(lambda: not self._writer.away, describe="a writer")
            else:
                self._acknowledged.append(one._replace(event_id=said.event_id))
                return


async def test_a_database_that_others_hold_does_not_cost_its_writer(sqlite_url: str) -> None:
    """For longer than a writer may be silent: it lives, and only its commits wait."""
    async with linked(sqlite_url) as one:
        began = time.monotonic()
        with locked(sqlite_url):
            while time.monotonic() < began + 6.5:
                assert not await accepted(one.writer, arrival())
        assert await accepted(one.writer, arrival())
        assert len(one.processes.started) == 1


async def test_a_writer_whose_receiver_has_gone_commits_what_it_had_and_ends(
    database_url: str,
) -> None:
    """More than one batch, and nobody who reads the answers."""
    many = [arrival() for _ in range(600)]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        processes = Processes()
        processes.start(theirs)
        theirs.close()
        ours.sendall(wire.orders_frame(orders(database_url)))
        parcels = [Parcel(time.monotonic() + 60, one) for one in many]
        for start in range(0, 600, 100):
            ours.sendall(wire.parcels_frame(parcels[start : start + 100]))
    (process,) = processes.started
    assert await asyncio.to_thread(process.wait, 20) == 0
    ids = [one.event_id for one in many]
    assert stored(database_url, ids) == set(ids)


async def test_a_writer_whose_receiver_left_before_its_orders_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        processes = Processes()
        processes.start(theirs)
    assert processes.started[0].wait(timeout=20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_for_the_receiver_do_not_end_its_writer(sqlite_url: str, number: int) -> None:
    """A terminal's Ctrl-C reaches the whole group; what was begun must still be committed."""
    async with linked(sqlite_url) as link:
        link.signal(number)
        answers = await outcomes(link.writer, [arrival() for _ in range(50)])
        assert all(isinstance(answer, Accepted) for answer in answers)
        assert len(link.processes.started) == 1


async def test_a_writer_that_does_not_end_is_killed(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_GOODBYE_SECONDS", 0.1)
    with capture_logs() as logs:
        async with linked(sqlite_url) as one:
            one.signal(signal.SIGSTOP)
            waiting = asyncio.create_task(one.writer.accept(arrival()))
            await wait_until_async(lambda: one.writer._waiting, describe="it to wait")
    with pytest.raises(StoreUnavailable):
        await waiting
    assert [line["event"] for line in logs] == ["writer.killed"]
    (process,) = one.processes.started
    wait_until(lambda: process.poll() == -signal.SIGKILL, describe="its end")


async def test_large_bodies_pass(database_url: str) -> None:
    bodies = [os.urandom(1024) * 25_000, b"", os.urandom(3_000_000)]
    many = [arrival(body) for body in bodies]
    async with linked(database_url) as link:
        answers = await outcomes(link.writer, many)
        assert answers == [Accepted(one.event_id) for one in many]
    with contextlib.closing(open_database(database_url)) as database:
        kept = [queries.get_event(database, one.event_id).body for one in many]
    digests = [hashlib.sha256(body).digest() for body in kept]
    assert digests == [one.body_sha256 for one in many]
