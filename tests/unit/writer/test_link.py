"""The receiver's end where its writer does not live, or cannot be started."""

import asyncio
import enum
import socket
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from ingest.errors import StoreUnavailable
from ingest.store import open_database
from ingest.writer import Writer, link, pulse
from ingest.writer.spawning import Spawned, start
from tests.unit.writer.desk import (
    Desk,
    Gate,
    OnThread,
    accepted,
    arrival,
    orders,
    outcomes,
    running,
)
from tests.waiting import wait_until_async

pytestmark = pytest.mark.anyio


class StillBorn:
    """A process that ended before it said anything: nobody has the other end of the socket."""

    def start(self, _end: socket.socket) -> Spawned:
        return self

    def kill(self) -> None:
        """It is dead."""

    def wait(self) -> None:
        """It has ended."""


async def test_a_writer_that_cannot_live_is_started_anew_with_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "_RESTART_SECONDS", (0.01, 0.04))
    writer = Writer(orders("unused"), start_process=StillBorn().start)
    with capture_logs() as logs:
        await writer.start(patience_seconds=0.01)
        await wait_until_async(lambda: len(logs) >= 5, describe="five lives")
    assert [line["event"] for line in logs[:5]] == ["writer.ended"] * 5
    assert [line["restart_in_seconds"] for line in logs[:5]] == [0.01, 0.02, 0.04, 0.04, 0.04]
    assert "writer process ended" in str(writer.trouble)
    with pytest.raises(StoreUnavailable):
        await writer.accept(arrival())
    await writer.stop()


async def test_a_writer_that_was_well_is_soon_started_anew(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one that never opened its database earns a longer pause."""
    monkeypatch.setattr(link, "_RESTART_SECONDS", (0.01, 5.0))
    async with running(sqlite_url) as desk:
        with capture_logs() as logs:
            for life in range(3):
                await hang_up(desk.writer)
                await wait_until_async(
                    lambda: accepted(desk.writer, arrival()), describe="the next writer"
                )
                ended = [line for line in logs if line["event"] == "writer.ended"]
                assert len(ended) == life + 1
        assert {line["restart_in_seconds"] for line in ended} == {0.01}


async def hang_up(writer: Writer) -> None:
    """End the connection, and have the link notice."""
    transport = writer._transport
    assert transport is not None
    transport.abort()
    await wait_until_async(lambda: writer._transport is not transport, describe="the link to see")


async def test_a_start_that_fails_is_tried_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process, memory or descriptor to be had: under the load that ended the last one, say."""
    monkeypatch.setattr(link, "_RESTART_SECONDS", (0.01, 0.04))
    thread = OnThread(lambda: open_database(sqlite_url))
    failures: list[OSError] = []

    def begin(end: socket.socket) -> Spawned:
        if failures:
            raise failures.pop()
        return thread.start(end)

    writer = Writer(orders("unused"), timeout_seconds=5.0, start_process=begin)
    await writer.start()
    failures += [OSError("too many open files") for _ in range(3)]
    with capture_logs() as logs:
        await hang_up(writer)
        await wait_until_async(lambda: not writer.trouble, describe="a writer")
    reasons = [line["reason"] for line in logs if line["event"] == "writer.not_started"]
    assert reasons == ["too many open files"] * 3
    assert await accepted(writer, arrival())
    await writer.stop()


async def test_a_writer_that_was_started_early_is_the_first_and_not_the_last(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hookkeeper web` starts it before it has loaded itself: it waits for its orders."""
    monkeypatch.setattr(link, "_RESTART_SECONDS", (0.01, 0.04))
    early, later = (OnThread(lambda: open_database(sqlite_url)) for _ in range(2))
    writer = Writer(
        orders("unused"), timeout_seconds=5.0, start_process=later.start, early=start(early.start)
    )
    await writer.start()
    assert await accepted(writer, arrival())
    await wait_until_async(lambda: early.commits, describe="the early one's commit")
    assert not later.commits
    await hang_up(writer)
    await wait_until_async(lambda: accepted(writer, arrival()), describe="another writer")
    assert len(early.commits) == 1
    await writer.stop()


def test_a_writer_that_cannot_be_started_early_leaves_no_socket_open() -> None:
    """A receiver without a descriptor or process to spare may try again."""
    ends: list[socket.socket] = []

    def none(end: socket.socket) -> Spawned:
        ends.append(end)
        raise OSError("no process")

    with pytest.raises(OSError, match="no process"):
        start(none)
    assert ends[0].fileno() == -1


async def test_an_arrival_that_cannot_be_sent_gives_nobody_the_answer_of_another(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers have no names, only an order: one that was never sent would shift them for good."""
    monkeypatch.setattr(link, "_RESTART_SECONDS", (0.01, 0.04))

    class Odd(enum.StrEnum):
        NAME = "marshal takes plain text only"

    async with running(sqlite_url) as desk:
        several = [arrival(), arrival()._replace(type=Odd.NAME), arrival()]
        answers = await outcomes(desk.writer, several)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        await wait_until_async(
            lambda: accepted(desk.writer, arrival()), describe="a writer that goes on"
        )
        one = arrival()
        assert (await desk.writer.accept(one)).event_id == one.event_id


async def test_a_writer_that_was_never_started_takes_nothing_and_stops(sqlite_url: str) -> None:
    writer = Desk(sqlite_url).writer
    with pytest.raises(StoreUnavailable):
        await writer.accept(arrival())
    await writer.stop()


async def test_stopping_between_two_writers_starts_no_third(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "_RESTART_SECONDS", (0.01, 0.04))
    starts: list[int] = []

    def start(end: socket.socket) -> Spawned:
        starts.append(end.fileno())
        return StillBorn()

    writer = Writer(orders("unused"), start_process=start)
    await writer.start(patience_seconds=0.0)
    await wait_until_async(lambda: writer._transport is None, describe="its end")
    await writer.stop()
    before = len(starts)
    await asyncio.wait_for(writer._ended.wait(), timeout=5)
    assert len(starts) == before


async def test_without_a_writer_nobody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is refused before any work is done; see ``Receiver``."""
    monkeypatch.setattr(link, "_RESTART_SECONDS", (60.0, 60.0))
    writer = Writer(orders("unused"), start_process=StillBorn().start)
    assert writer.away
    await writer.start(patience_seconds=0.0)
    await wait_until_async(lambda: writer.trouble and writer.away, describe="its end")
    await writer.stop()


async def test_stopping_while_a_writer_is_started_ends_it(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_RESTART_SECONDS", (0.01, 0.04))
    thread = OnThread(lambda: open_database(sqlite_url))
    stops: list[asyncio.Task[None]] = []

    def start(end: socket.socket) -> Spawned:
        if started:  # the second one: just between its process and its connection
            stops.append(asyncio.ensure_future(writer.stop()))
        started.append(thread.start(end))
        return started[-1]

    started: list[Spawned] = []
    writer = Writer(orders("unused"), timeout_seconds=5.0, start_process=start)
    await writer.start()
    await hang_up(writer)
    await wait_until_async(lambda: stops, describe="the next writer")
    await stops[0]
    assert writer.away, "its connection is left open"
    async with asyncio.timeout(5):
        await asyncio.to_thread(started[1].wait)


async def test_a_commit_that_waits_for_long_is_no_reason_to_end_its_writer(
    sqlite_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is stopped, a disk that stalls: another writer would wait just the same.

    The writer here is a thread, which fails where it is killed.
    """
    watched = watch_closely(monkeypatch)
    async with running(sqlite_url) as desk:
        one = asyncio.create_task(desk.writer.accept(arrival()))
        await wait_until_async(gate.taken.is_set, describe="its commit")
        with capture_logs() as logs:
            await watched(desk.writer, 4 * link._SILENT_LOOKS)
        gate.open.set()
        assert await one
    assert logs == []


async def test_a_writer_that_never_says_anything_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch_closely(monkeypatch)
    monkeypatch.setattr(link, "_FIRST_WORD_LOOKS", 3)
    mute = Mute()
    writer = Writer(orders("unused"), start_process=mute.start)
    with capture_logs() as logs:
        await writer.start(patience_seconds=0.0)
        await wait_until_async(lambda: len(mute.killed) == 2, describe="two of them to be killed")
    said = [line["event"] for line in logs[:3]]
    assert said == ["writer.silent", "writer.ended", "writer.silent"]
    await writer.stop()


class Mute:
    """Processes that live and do nothing."""

    def __init__(self) -> None:
        self._ends: list[socket.socket] = []
        self.killed: list[socket.socket] = []

    def start(self, end: socket.socket) -> Spawned:
        self._ends.append(end.dup())
        return self

    def kill(self) -> None:
        end = self._ends.pop()
        end.close()
        self.killed.append(end)

    def wait(self) -> None:
        """It has ended."""


def watch_closely(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Writer, int], Awaitable[None]]:
    """Look at writers, and have them beat, ten times as often; return what waits for looks."""
    monkeypatch.setattr(link, "_WATCH_SECONDS", link._WATCH_SECONDS / 10)
    monkeypatch.setattr(pulse, "PULSE_SECONDS", pulse.PULSE_SECONDS / 10)
    looks: list[Writer] = []
    look = Writer._watch

    def counted(writer: Writer, transport: asyncio.Transport) -> None:
        looks.append(writer)
        look(writer, transport)

    monkeypatch.setattr(Writer, "_watch", counted)

    async def watched(writer: Writer, times: int) -> None:
        until = looks.count(writer) + times
        await wait_until_async(lambda: looks.count(writer) >= until, describe="looks")

    return watched
