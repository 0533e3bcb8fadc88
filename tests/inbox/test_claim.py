"""The inbox on every kind of connection: a handler's work is done once, whatever is redelivered."""

import asyncio
from datetime import timedelta

import pytest

from ingest import inbox
from ingest.events import Event
from tests.inbox import shops
from tests.inbox.shops import AsyncKind, Kind, ask, bookings, order

KINDS = [
    pytest.param(shop, kind, id=f"{shop}-{kind.__name__}")
    for shop, kinds in (("sqlite_shop", shops.SQLITE), ("postgres_shop", shops.POSTGRESQL))
    for kind in kinds
]
ASYNC_KINDS = [
    pytest.param(shop, kind, id=f"{shop}-{kind.__name__}")
    for shop, kinds in (
        ("sqlite_shop", shops.ASYNC_SQLITE),
        ("postgres_shop", shops.ASYNC_POSTGRESQL),
    )
    for kind in kinds
]


class Crashed(Exception):
    """The handler failed, or its process died, before the commit."""


def book(kind: Kind, url: str, event: Event, *, crash: bool = False) -> bool:
    """What a handler does: claim, work, commit."""
    with kind(url) as connection:
        first = inbox.claim(connection, event)
        if first:
            shops.work(connection, shops.BOOK)
        if crash:
            raise Crashed
    return first


async def book_async(kind: AsyncKind, url: str, event: Event, *, crash: bool = False) -> bool:
    async with kind(url) as connection:
        first = await inbox.claim_async(connection, event)
        if first:
            await shops.work_async(connection, shops.BOOK)
        if crash:
            raise Crashed
    return first


@pytest.mark.parametrize(("shop", "kind"), KINDS)
def test_what_was_done_is_not_done_again(
    shop: str, kind: Kind, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(shop)
    with pytest.raises(Crashed):
        book(kind, url, order(), crash=True)
    assert bookings(url) == 0
    assert book(kind, url, order())  # the mark went with the work: this try does it
    assert not book(kind, url, order())
    assert not book(kind, url, order())
    assert bookings(url) == 1
    assert book(kind, url, order(generation=1))  # a replay is wanted
    assert bookings(url) == 2


@pytest.mark.parametrize(("shop", "kind"), ASYNC_KINDS)
def test_async_handlers_have_the_same(
    shop: str, kind: AsyncKind, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(shop)
    with pytest.raises(Crashed):
        asyncio.run(book_async(kind, url, order(), crash=True))
    assert bookings(url) == 0
    assert asyncio.run(book_async(kind, url, order()))
    assert not asyncio.run(book_async(kind, url, order()))
    assert bookings(url) == 1


@pytest.mark.parametrize(("shop", "kind"), KINDS)
def test_the_table_is_made_and_old_marks_are_deleted_on_each_kind(
    shop: str, kind: Kind, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(shop)
    ask(url, "DROP TABLE hookkeeper_inbox")
    for _ in range(2):
        with kind(url) as connection:
            inbox.create_table(connection)
    for name in ("a", "b", "c"):
        with kind(url) as connection:
            assert inbox.claim(connection, order(), handler=name)
    ask(url, "UPDATE hookkeeper_inbox SET claimed_at = claimed_at - 60000 WHERE handler <> 'c'")
    with kind(url) as connection:
        old = timedelta(seconds=30)
        assert [inbox.prune(connection, older_than=old, limit=1) for _ in range(3)] == [1, 1, 0]
    assert ask(url, "SELECT handler FROM hookkeeper_inbox") == [("c",)]


def test_marks_are_kept_as_long_as_events_are(sqlite_shop: str) -> None:
    day_ms = 86_400_000
    for name, days in (("old", 91), ("young", 89)):
        with shops.of_sqlite3(sqlite_shop) as connection:
            inbox.claim(connection, order(), handler=name)
        aged = f"claimed_at - {days * day_ms} WHERE handler = '{name}'"
        ask(sqlite_shop, f"UPDATE hookkeeper_inbox SET claimed_at = {aged}")
    with shops.of_sqlite3(sqlite_shop) as connection:
        assert inbox.prune(connection) == 1
    assert ask(sqlite_shop, "SELECT handler FROM hookkeeper_inbox") == [("young",)]


def test_each_handler_of_an_event_has_a_mark_of_its_own(sqlite_shop: str) -> None:
    with shops.of_sqlite3(sqlite_shop) as connection:
        assert inbox.claim(connection, order())
        assert inbox.claim(connection, order(), handler="shop.ship")
        assert not inbox.claim(connection, order(), handler="shop.book")
        assert inbox.claim(connection, order("0190163d-8694-739b-aea5-966c26f8ad92"))
