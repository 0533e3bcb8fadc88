"""Rejected requests at the writer: behind every arrival, and never for ever."""

from collections import deque
from contextlib import closing

import pytest

from ingest.rejection import RejectedRequest
from ingest.store import open_database
from ingest.store.rejected import Wanted, list_rejected
from ingest.writer.rejected import Shelf
from tests.store.rejecting import rejected_request
from tests.unit.writer.desk import arrival, outcomes, running
from tests.waiting import wait_until_async


def kept(database_url: str) -> list[str]:
    with closing(open_database(database_url)) as database:
        return [row.id for row in list_rejected(database, Wanted(), limit=10_000)]


def test_arrivals_come_first_but_do_not_starve_them() -> None:
    now = 0.0
    waiting: deque[RejectedRequest] = deque()
    shelf = Shelf(waiting, clock=lambda: now)
    assert not shelf.due(busy=False), "nothing waits"
    waiting.append(rejected_request())
    assert shelf.due(busy=False)
    assert not shelf.due(busy=True)
    now = 1.1
    assert shelf.due(busy=True), "a second is long enough, even under a lasting overload"
    assert shelf.keep(None) == 1
    waiting.append(rejected_request())
    assert not shelf.due(busy=True)


def test_a_batch_is_bounded_so_that_an_arrival_waits_for_no_long_commit(sqlite_url: str) -> None:
    waiting = deque(rejected_request(b"x" * 200_000) for _ in range(12))
    with closing(open_database(sqlite_url)) as database:
        assert Shelf(waiting).keep(database) == 5, "a megabyte"
    waiting.extend(rejected_request() for _ in range(200))
    waiting.extendleft(rejected_request() for _ in range(64))
    with closing(open_database(sqlite_url)) as database:
        assert Shelf(waiting).keep(database) == 64


def test_one_that_cannot_be_stored_takes_no_other_along(database_url: str) -> None:
    fine = rejected_request()
    waiting = deque([fine, rejected_request(url="/in/github?\0")])
    with closing(open_database(database_url)) as database:
        assert Shelf(waiting).keep(database) == 2
    assert kept(database_url) == [fine.id]


@pytest.mark.anyio
async def test_they_are_kept_beside_arrivals_and_room_is_given_back(database_url: str) -> None:
    async with running(database_url) as desk:
        sent = 0
        for _ in range(100):  # five times what may be on the way at once
            body = b"x" * 200_000
            if desk.writer.keep(rejected_request(body, total=2_000_000)):
                sent += 1
            else:
                await outcomes(desk.writer, [arrival()])
        assert 0 < sent < 100
        latest = rejected_request()
        await wait_until_async(lambda: desk.writer.keep(latest), describe="room for one more")
        await wait_until_async(lambda: latest.id in kept(database_url))


@pytest.mark.anyio
async def test_what_waits_at_the_end_is_kept_before_the_writer_goes(sqlite_url: str) -> None:
    ids = []
    async with running(sqlite_url) as desk:
        for _ in range(200):
            one = rejected_request()
            ids.append(one.id)
            assert desk.writer.keep(one)
    assert sorted(kept(sqlite_url)) == sorted(ids)
    assert not desk.writer.keep(rejected_request()), "nobody is there any more"
