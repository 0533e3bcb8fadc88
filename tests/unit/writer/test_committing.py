"""Groups of whatever waits, an answer in time for everyone, and a writer that lives."""

import asyncio
import time

import pytest

from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.store import Database, accept
from ingest.writer import link, waiting
from ingest.writer.committing import BATCH_BYTES, BATCH_EVENTS
from tests.unit.writer.desk import Desk, Gate, accepted, arrival, locked, outcomes, running
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.anyio


async def test_an_accepted_arrival_can_be_read_by_everybody(database_url: str) -> None:
    async with running(database_url) as desk:
        one = arrival()
        assert await desk.writer.accept(one) == Accepted(one.event_id)
        assert desk.stored([one.event_id]) == {one.event_id}
    assert desk.commits == [[one.event_id]]


async def test_what_waits_together_is_committed_together(database_url: str) -> None:
    many = [arrival() for _ in range(1000)]
    async with running(database_url) as desk:
        assert await outcomes(desk.writer, many) == [Accepted(one.event_id) for one in many]
    assert sum(map(len, desk.commits)) == 1000
    assert max(map(len, desk.commits)) == BATCH_EVENTS
    assert len(desk.commits) < 30


async def test_a_long_turn_of_the_loop_keeps_nobody_waiting(database_url: str) -> None:
    """Under an overload a turn takes longer than many commits."""
    async with running(database_url) as desk:
        for _ in range(link.FRAME_EVENTS):
            desk.writer.submit(arrival(), lambda _said: None)
        wait_until(lambda: desk.commits, describe="a commit before the loop turns")


async def test_a_batch_is_bounded_in_bytes_but_takes_one_large_body(
    sqlite_url: str, gate: Gate
) -> None:
    sizes = [3_000_000, 3_000_000, 3_000_000, BATCH_BYTES + 1, 1]
    many = [arrival(b"x" * size) for size in sizes]
    async with running(sqlite_url, timeout_seconds=20) as desk:
        first = arrival()
        begun = asyncio.create_task(desk.writer.accept(first))
        await wait_until_async(gate.taken.is_set, describe="the first commit")
        others = asyncio.gather(*map(desk.writer.accept, many))
        gate.open.set()
        await asyncio.gather(begun, others)
    ids = [one.event_id for one in many]
    assert desk.commits == [[first.event_id], ids[:2], ids[2:3], ids[3:4], ids[4:]]


async def test_only_the_rows_that_a_commit_added_are_published(database_url: str) -> None:
    first, again = arrival(key=b"same"), arrival(key=b"same")
    async with running(database_url) as desk:
        assert await desk.writer.accept(first) == Accepted(first.event_id)
        assert await desk.writer.accept(again) == Accepted(first.event_id, duplicate=True)
    assert desk.commits == [[first.event_id]]


async def test_one_row_that_cannot_be_stored_fails_alone(database_url: str) -> None:
    """The receiver cleans what it derives; this is the net below it."""
    good = [arrival() for _ in range(5)]
    bad = arrival()._replace(type="nul\0")
    async with running(database_url) as desk:
        *others, refused = await outcomes(desk.writer, [*good, bad])
        assert others == [Accepted(one.event_id) for one in good]
        assert isinstance(refused, RowRejected)


async def test_who_waits_too_long_hears_so_and_what_nobody_waits_for_is_not_stored(
    sqlite_url: str, gate: Gate
) -> None:
    async with running(sqlite_url, timeout_seconds=0.2) as desk:
        first = asyncio.create_task(desk.writer.accept(arrival()))
        await wait_until_async(gate.taken.is_set, describe="the first commit")
        late = [arrival() for _ in range(50)]
        started = time.monotonic()
        answers = await outcomes(desk.writer, late)
        assert time.monotonic() - started < 1.0
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        with pytest.raises(StoreUnavailable):
            await first
        gate.open.set()
        await wait_until_async(lambda: accepted(desk.writer, arrival()), describe="a commit")
        assert desk.stored([one.event_id for one in late]) == set()


async def test_a_request_that_was_cancelled_takes_nobodys_answer(
    sqlite_url: str, gate: Gate
) -> None:
    """Answers come in the order of what was sent, so one that nobody hears still counts."""
    async with running(sqlite_url) as desk:
        many = [arrival() for _ in range(3)]
        tasks = [asyncio.create_task(desk.writer.accept(one)) for one in many]
        await wait_until_async(gate.taken.is_set, describe="their commit")
        tasks[1].cancel()
        gate.open.set()
        assert await tasks[0] == Accepted(many[0].event_id)
        assert await tasks[2] == Accepted(many[2].event_id)
        assert tasks[1].cancelled()


@pytest.mark.parametrize(("limit", "value"), [("WAITING_EVENTS", 4), ("WAITING_BYTES", 40)])
async def test_where_too_much_waits_one_more_is_turned_away_at_once(
    sqlite_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(waiting, limit, value)
    async with running(sqlite_url) as desk:
        tasks = [asyncio.create_task(desk.writer.accept(arrival(b"x" * 10))) for _ in range(4)]
        await wait_until_async(gate.taken.is_set, describe="the first commit")
        assert desk.writer.full, "so that a request can be refused before any work is done"
        with pytest.raises(StoreUnavailable):
            await desk.writer.accept(arrival())
        assert not any(task.done() for task in tasks)
        gate.open.set()
        await asyncio.gather(*tasks)
        assert await accepted(desk.writer, arrival())


async def test_a_commit_that_fails_fails_all_of_its_batch(sqlite_url: str) -> None:
    """SQLite's lock is waited for 0.8 s; nobody of the batch may believe in a commit."""
    async with running(sqlite_url) as desk:
        many = [arrival() for _ in range(20)]
        with locked(sqlite_url):
            answers = await outcomes(desk.writer, many)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert desk.commits == []
        assert desk.stored([one.event_id for one in many]) == set()


async def test_stopping_commits_what_was_begun_and_takes_nothing_more(database_url: str) -> None:
    desk = Desk(database_url)
    await desk.writer.start()
    many = [arrival() for _ in range(600)]
    waiting = [asyncio.ensure_future(desk.writer.accept(one)) for one in many]
    await asyncio.wait(waiting[:1])
    await desk.writer.stop()
    assert [await one for one in waiting] == [Accepted(one.event_id) for one in many]
    with pytest.raises(StoreUnavailable):
        await desk.writer.accept(arrival())


async def test_a_mistake_of_ours_costs_one_batch_not_the_writer(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has no such mistake to trigger, so one is put in its place."""

    def broken(_database: Database, _arrivals: list[Arrival]) -> list[Accepted]:
        raise ZeroDivisionError

    async with running(sqlite_url) as desk:
        with monkeypatch.context() as patched:
            patched.setattr(accept, "accept", broken)
            with pytest.raises(StoreUnavailable):
                await desk.writer.accept(arrival())
        assert await accepted(desk.writer, arrival())


async def test_an_idle_writer_looks_after_its_database(sqlite_url: str) -> None:
    async with running(sqlite_url) as desk:
        assert not desk.writer.trouble
        with locked(sqlite_url):
            await wait_until_async(lambda: desk.writer.trouble, describe="the writer to notice")
        await wait_until_async(lambda: not desk.writer.trouble, describe="the writer to recover")


async def test_a_commit_that_does_not_end_is_trouble(
    sqlite_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer itself says nothing while it hangs."""
    monkeypatch.setattr(link, "_STALLED_SECONDS", 0.2)
    async with running(sqlite_url) as desk:
        one = asyncio.create_task(desk.writer.accept(arrival()))
        await wait_until_async(lambda: desk.writer.trouble, describe="the link to notice")
        assert "no commit has ended" in str(desk.writer.trouble)
        gate.open.set()
        await one
        assert not desk.writer.trouble
