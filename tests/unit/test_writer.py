"""The writer: groups of whatever waits, an answer in time for everyone, and a thread that lives."""

import asyncio
import contextlib
import fcntl
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uuid_utils
from sqlalchemy import text

from ingest import writer as writer_module
from ingest.errors import RowRejected, StoreRefused, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.store import Database, accept, open_database
from ingest.store.dispatch import undispatched
from ingest.writer import BATCH_BYTES, BATCH_EVENTS, Writer
from tests.waiting import wait_until_async

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def arrival(body: bytes = b"{}", *, key: bytes | None = None) -> Arrival:
    now = int(time.time() * 1000)
    return Arrival(
        event_id=str(uuid_utils.uuid7()),
        source="github",
        type="push",
        provider_event_id=None,
        received_at=now,
        headers=(),
        query="",
        content_type="application/json",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        trace_id="0" * 32,
        secret_name=None,
        dedupe_key=None if key is None else hashlib.sha256(key).digest(),
        dedupe_expires_at=None if key is None else now + 60_000,
    )


class Desk:
    """A running writer and what its commits added, batch by batch."""

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self.url = url
        self.commits: list[list[str]] = []
        self.writer = Writer(
            lambda: open_database(url), self.commits.append, timeout_seconds=timeout_seconds
        )

    def stored(self, ids: list[str]) -> set[str]:
        with contextlib.closing(open_database(self.url)) as database:
            return {event.id for event in undispatched(database, ids)}

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Someone else holds SQLite's write lock: a commit waits, the next ones pile up."""
        with Path(self.url.removeprefix("sqlite:///") + ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextlib.asynccontextmanager
async def running(url: str, timeout_seconds: float = 5.0) -> AsyncIterator[Desk]:
    desk = Desk(url, timeout_seconds)
    await desk.writer.start()
    try:
        yield desk
    finally:
        await desk.writer.stop()


class Gate:
    """Holds commits back just before they begin: a database that is slow for as long as needed.

    With the real lock a test could not tell a commit that waits from the writer's own probe.
    """

    def __init__(self) -> None:
        self.taken = threading.Event()
        self.open = threading.Event()
        self._commit = accept.accept

    def commit(self, database: Database, arrivals: Sequence[Arrival]) -> list[Any]:
        self.taken.set()
        assert self.open.wait(timeout=20)
        return list(self._commit(database, arrivals))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(accept, "accept", gate.commit)
    return gate


async def outcomes(writer: Writer, arrivals: list[Arrival]) -> list[Accepted | BaseException]:
    return await asyncio.gather(*map(writer.accept, arrivals), return_exceptions=True)


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


async def test_a_batch_is_bounded_in_bytes_but_takes_one_large_body(
    sqlite_url: str, gate: Gate
) -> None:
    sizes = [3_000_000, 3_000_000, 3_000_000, BATCH_BYTES + 1, 1]
    many = [arrival(b"x" * size) for size in sizes]
    async with running(sqlite_url) as desk:
        first = arrival()
        waiting = [asyncio.create_task(desk.writer.accept(first))]
        await wait_until_async(gate.taken.is_set, describe="the first commit")
        waiting += [asyncio.create_task(desk.writer.accept(one)) for one in many]
        await wait_until_async(lambda: desk.writer._queue.qsize() == 5, describe="a pile")
        gate.open.set()
        await asyncio.gather(*waiting)
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
    bad = replace(arrival(), type="nul\0")
    async with running(database_url) as desk:
        *others, refused = await outcomes(desk.writer, [*good, bad])
        assert others == [Accepted(one.event_id) for one in good]
        assert isinstance(refused, RowRejected)


async def test_who_waits_too_long_hears_so_and_what_was_not_taken_is_dropped(
    sqlite_url: str, gate: Gate
) -> None:
    async with running(sqlite_url, timeout_seconds=0.2) as desk:
        first = asyncio.create_task(desk.writer.accept(arrival()))
        await wait_until_async(gate.taken.is_set, describe="the first commit")
        late = [arrival() for _ in range(50)]
        started = time.monotonic()
        answers = await outcomes(desk.writer, late)
        assert time.monotonic() - started < 0.6
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        with pytest.raises(StoreUnavailable):
            await first
        gate.open.set()
        await wait_until_async(lambda: accepted(desk.writer, arrival()), describe="a commit")
        assert desk.stored([one.event_id for one in late]) == set()


async def accepted(writer: Writer, one: Arrival) -> bool:
    try:
        await writer.accept(one)
    except StoreUnavailable:
        return False
    return True


async def test_a_request_that_was_cancelled_is_not_stored_later(
    sqlite_url: str, gate: Gate
) -> None:
    async with running(sqlite_url) as desk:
        first = asyncio.create_task(desk.writer.accept(arrival()))
        await wait_until_async(gate.taken.is_set, describe="the first commit")
        gone = arrival()
        task = asyncio.create_task(desk.writer.accept(gone))
        await wait_until_async(lambda: desk.writer._queue.qsize() == 1, describe="it waits")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.open.set()
        await first
        await desk.writer.accept(arrival())
        assert desk.stored([gone.event_id]) == set()


async def test_a_full_queue_turns_away_at_once(
    sqlite_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "WAITING_LIMIT", 3)
    async with running(sqlite_url) as desk:
        waiting = [asyncio.create_task(desk.writer.accept(arrival()))]
        await wait_until_async(gate.taken.is_set, describe="the first commit")
        waiting += [asyncio.create_task(desk.writer.accept(arrival())) for _ in range(3)]
        await wait_until_async(lambda: desk.writer._queue.qsize() == 3, describe="a pile")
        with pytest.raises(StoreUnavailable):
            await desk.writer.accept(arrival())
        gate.open.set()
        await asyncio.gather(*waiting)


async def test_a_commit_that_fails_fails_all_of_its_batch(sqlite_url: str) -> None:
    """SQLite's lock is waited for 0.8 s; nobody of the batch may believe in a commit."""
    async with running(sqlite_url) as desk:
        many = [arrival() for _ in range(20)]
        with desk.locked():
            answers = await outcomes(desk.writer, many)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert desk.commits == []
        assert desk.stored([one.event_id for one in many]) == set()


async def test_stopping_commits_what_was_begun_and_takes_nothing_more(database_url: str) -> None:
    desk = Desk(database_url)
    await desk.writer.start()
    many = [arrival() for _ in range(600)]
    waiting = [asyncio.ensure_future(desk.writer.accept(one)) for one in many]
    await asyncio.gather(asyncio.wait(waiting[:1]), return_exceptions=True)
    await desk.writer.stop()
    assert [await one for one in waiting] == [Accepted(one.event_id) for one in many]
    with pytest.raises(StoreUnavailable):
        await desk.writer.accept(arrival())


async def test_a_database_that_cannot_be_opened_yet_is_tried_again(sqlite_url: str) -> None:
    tries = iter([StoreUnavailable("away"), StoreUnavailable("still away")])

    def open_store() -> Database:
        for error in tries:
            raise error
        return open_database(sqlite_url)

    writer = Writer(open_store, lambda _ids: None, timeout_seconds=5.0)
    await writer.start()
    assert "away" in str(writer.trouble)
    with pytest.raises(StoreUnavailable):
        await writer.accept(arrival())
    await wait_until_async(lambda: accepted(writer, arrival()), describe="the database")
    assert not writer.trouble
    await writer.stop()


async def test_a_database_that_our_user_may_not_read_yet_is_tried_again(
    postgres_url: str,
) -> None:
    """The driver's own error, of a kind that the store does not translate."""
    table = "alembic_version"
    owner = open_database(postgres_url)
    with owner.write() as tx:
        tx.execute(text(f"ALTER TABLE {table} RENAME TO hidden; CREATE TABLE {table} (other text)"))
    writer = Writer(lambda: open_database(postgres_url), lambda _ids: None, timeout_seconds=5.0)
    await writer.start()
    assert "version_num" in str(writer.trouble)
    assert "\n" not in str(writer.trouble)
    with pytest.raises(StoreUnavailable):
        await writer.accept(arrival())
    with owner.write() as tx:
        tx.execute(text(f"DROP TABLE {table}; ALTER TABLE hidden RENAME TO {table}"))
    owner.close()
    await wait_until_async(lambda: accepted(writer, arrival()), describe="the database")
    await writer.stop()


async def test_a_database_that_must_not_be_used_refuses_the_start() -> None:
    def open_store() -> Database:
        raise StoreRefused("not durable")

    writer = Writer(open_store, lambda _ids: None)
    with pytest.raises(StoreRefused, match="not durable"):
        await writer.start()
    await writer.stop()


async def test_a_start_does_not_wait_for_a_database_that_hangs(sqlite_url: str) -> None:
    hanging = asyncio.Event()
    loop = asyncio.get_running_loop()

    def open_store() -> Database:
        asyncio.run_coroutine_threadsafe(hanging.wait(), loop).result()
        return open_database(sqlite_url)

    writer = Writer(open_store, lambda _ids: None, timeout_seconds=0.1)
    await writer.start(patience_seconds=0.05)
    assert writer.trouble
    with pytest.raises(StoreUnavailable):
        await writer.accept(arrival())
    hanging.set()
    await wait_until_async(lambda: accepted(writer, arrival()), describe="the database")
    await writer.stop()


async def test_a_mistake_of_ours_costs_one_batch_not_the_thread(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has no such mistake to trigger, so one is put in its place."""

    def broken(_database: Database, _arrivals: list[Arrival]) -> list[Accepted]:
        raise ZeroDivisionError

    real = accept.accept
    async with running(sqlite_url) as desk:
        monkeypatch.setattr(accept, "accept", broken)
        with pytest.raises(StoreUnavailable):
            await desk.writer.accept(arrival())
        monkeypatch.setattr(accept, "accept", real)
        assert await accepted(desk.writer, arrival())


async def test_an_idle_writer_looks_after_its_database(sqlite_url: str) -> None:
    async with running(sqlite_url) as desk:
        assert not desk.writer.trouble
        with desk.locked():
            await wait_until_async(lambda: desk.writer.trouble, describe="the writer to notice")
        await wait_until_async(lambda: not desk.writer.trouble, describe="the writer to recover")
