"""Two tries of one delivery at once: a process that was declared dead, and the one after it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest import inbox
from tests.inbox import shops
from tests.inbox.shops import Kind, ask, bookings, order
from tests.waiting import wait_until

WAITING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO hookkeeper_inbox%'"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def try_again(kind: Kind, url: str, begun: threading.Event) -> bool:
    """Make the second try; the event is set just before it claims."""
    with kind(url) as connection:
        begun.set()
        first = inbox.claim(connection, order())
        if first:
            shops.work(connection, shops.BOOK)
        return first


def is_waiting(url: str) -> bool:
    return bool(ask(url, f"{WAITING} AND wait_event_type = 'Lock'"))


@pytest.mark.parametrize("kind", [shops.of_psycopg, shops.of_a_session, shops.of_django])
def test_the_second_waits_for_the_first_and_finds_it_done(
    kind: Kind, postgres_shop: str, threads: ThreadPoolExecutor
) -> None:
    with shops.of_sqlalchemy(postgres_shop) as connection:
        assert inbox.claim(connection, order())
        shops.work(connection, shops.BOOK)
        second = threads.submit(try_again, kind, postgres_shop, threading.Event())
        wait_until(lambda: is_waiting(postgres_shop), describe="the second to wait")
        assert not second.done()
    assert not second.result(timeout=10)
    assert bookings(postgres_shop) == 1


def test_the_second_does_the_work_where_the_first_fails(
    postgres_shop: str, threads: ThreadPoolExecutor
) -> None:
    with shops.of_psycopg(postgres_shop) as connection:
        assert inbox.claim(connection, order())
        shops.work(connection, shops.BOOK)
        second = threads.submit(try_again, shops.of_psycopg, postgres_shop, threading.Event())
        wait_until(lambda: is_waiting(postgres_shop), describe="the second to wait")
        connection.rollback()
    assert second.result(timeout=10)
    assert bookings(postgres_shop) == 1


@pytest.mark.parametrize("kind", shops.SQLITE)
def test_sqlite_lets_the_second_wait_for_its_only_writer(
    kind: Kind, sqlite_shop: str, threads: ThreadPoolExecutor
) -> None:
    begun = threading.Event()
    with shops.of_sqlite3(sqlite_shop) as connection:
        assert inbox.claim(connection, order())
        shops.work(connection, shops.BOOK)
        second = threads.submit(try_again, kind, sqlite_shop, begun)
        assert begun.wait(10)
        assert not second.done()
    assert not second.result(timeout=10)
    assert bookings(sqlite_shop) == 1
