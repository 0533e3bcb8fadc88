"""A database that is away, refused or silent when its writer opens it."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from sqlalchemy import text

from ingest.errors import StoreRefused, StoreUnavailable
from ingest.store import Database, open_database
from ingest.writer import Writer, committing
from tests.unit.writer.desk import OnThread, accepted, arrival, orders
from tests.waiting import wait_until_async

pytestmark = pytest.mark.anyio


def writer_with(open_store: Callable[[], Database], timeout_seconds: float = 5.0) -> Writer:
    start = OnThread(open_store).start
    return Writer(orders("unused"), timeout_seconds=timeout_seconds, start_process=start)


async def test_a_database_that_cannot_be_opened_yet_is_tried_again(sqlite_url: str) -> None:
    tries = iter([StoreUnavailable("away"), StoreUnavailable("still away")])

    def open_store() -> Database:
        for error in tries:
            raise error
        return open_database(sqlite_url)

    writer = writer_with(open_store)
    await writer.start()
    assert "away" in str(writer.trouble)
    with pytest.raises(StoreUnavailable, match="away"):
        await writer.accept(arrival())
    await wait_until_async(lambda: accepted(writer, arrival()), describe="the database")
    assert not writer.trouble
    await writer.stop()


async def test_a_database_that_is_away_is_not_asked_again_for_every_event() -> None:
    """Where nothing answers at its address, each try takes seconds, and everyone waits for it."""
    tries: list[float] = []

    def open_store() -> Database:
        tries.append(time.monotonic())
        raise StoreUnavailable("away")

    writer = writer_with(open_store)
    await writer.start()
    while time.monotonic() < tries[0] + 3 * committing.REOPEN_SECONDS:
        with pytest.raises(StoreUnavailable, match="away"):
            await writer.accept(arrival())
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses, "it was tried again"
    assert min(pauses) >= committing.REOPEN_SECONDS
    await writer.stop()


async def test_a_database_that_our_user_may_not_read_yet_is_tried_again(
    postgres_url: str,
) -> None:
    """The driver's own error, of a kind that the store does not translate."""
    table = "alembic_version"
    owner = open_database(postgres_url)
    with owner.write() as tx:
        tx.execute(text(f"ALTER TABLE {table} RENAME TO hidden; CREATE TABLE {table} (other text)"))
    writer = writer_with(lambda: open_database(postgres_url))
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

    writer = writer_with(open_store)
    with pytest.raises(StoreRefused, match="not durable"):
        await writer.start()
    await writer.stop()


async def test_a_start_does_not_wait_for_a_database_that_hangs(sqlite_url: str) -> None:
    answers = threading.Event()

    def open_store() -> Database:
        assert answers.wait(timeout=20)
        return open_database(sqlite_url)

    writer = writer_with(open_store, timeout_seconds=0.1)
    await writer.start(patience_seconds=0.05)
    assert writer.trouble
    with pytest.raises(StoreUnavailable):
        await writer.accept(arrival())
    answers.set()
    await wait_until_async(lambda: accepted(writer, arrival()), describe="the database")
    await writer.stop()


async def test_a_refusal_that_comes_after_the_start_is_trouble() -> None:
    """Not a future that nobody asks, which asyncio would complain of at some later time."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, said: complaints.append(said))
    await refused_after_its_start()
    gc.collect()
    assert complaints == []


async def refused_after_its_start() -> None:
    answers = threading.Event()

    def open_store() -> Database:
        assert answers.wait(timeout=20)
        raise StoreRefused("not durable")

    writer = writer_with(open_store)
    await writer.start(patience_seconds=0.01)
    answers.set()
    await wait_until_async(lambda: writer.trouble == "not durable", describe="the refusal")
    await writer.stop()
