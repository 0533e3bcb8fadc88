"""Where the inbox could not keep its promise it says so, and marks nothing."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import sqlalchemy
from django.db import connections
from sqlalchemy.orm import Session

from ingest import inbox
from ingest.errors import NotInTransaction
from tests.inbox import shops
from tests.inbox.shops import Kind, ask, order


@contextmanager
def sqlite3_without_transactions(url: str) -> Iterator[Any]:
    with closing(sqlite3.connect(shops.file(url), isolation_level=None)) as connection:
        yield connection


@contextmanager
def psycopg_with_autocommit(url: str) -> Iterator[Any]:
    with psycopg.connect(shops.plain(url), autocommit=True) as connection:
        yield connection


@contextmanager
def sqlalchemy_with_autocommit(url: str) -> Iterator[Any]:
    with shops.engine_of(url, isolation_level="AUTOCOMMIT") as engine, engine.connect() as each:
        yield each


@contextmanager
def session_with_autocommit(url: str) -> Iterator[Any]:
    with shops.engine_of(url, isolation_level="AUTOCOMMIT") as engine, Session(engine) as session:
        yield session


@contextmanager
def django_without_atomic(url: str) -> Iterator[Any]:
    alias = shops.know_to_django(url)
    yield connections[alias]
    connections[alias].close()


@pytest.mark.parametrize(
    ("shop", "kind"),
    [
        ("sqlite_shop", sqlite3_without_transactions),
        ("sqlite_shop", sqlalchemy_with_autocommit),
        ("sqlite_shop", django_without_atomic),
        ("postgres_shop", psycopg_with_autocommit),
        ("postgres_shop", sqlalchemy_with_autocommit),
        ("postgres_shop", session_with_autocommit),
        ("postgres_shop", django_without_atomic),
    ],
)
def test_a_mark_that_would_commit_by_itself_is_refused(
    shop: str, kind: Kind, request: pytest.FixtureRequest
) -> None:
    """A crash between the mark's commit and the work's would lose the work for good."""
    url = request.getfixturevalue(shop)
    with kind(url) as connection, pytest.raises(NotInTransaction, match="Nothing was marked"):
        inbox.claim(connection, order())
    assert ask(url, "SELECT * FROM hookkeeper_inbox") == []


def test_a_transaction_that_was_begun_by_hand_is_one(sqlite_shop: str) -> None:
    with sqlite3_without_transactions(sqlite_shop) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert inbox.claim(connection, order())
        connection.execute("ROLLBACK")
    assert ask(sqlite_shop, "SELECT * FROM hookkeeper_inbox") == []


def test_an_engine_that_begins_by_itself_is_understood(sqlite_shop: str) -> None:
    """SQLAlchemy's own advice for SQLite: the driver's transactions off, BEGIN at its event."""
    with shops.engine_of(sqlite_shop, connect_args={"isolation_level": None}) as engine:

        @sqlalchemy.event.listens_for(engine, "begin")
        def begin(connection: sqlalchemy.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        with engine.connect() as connection:
            assert inbox.claim(connection, order())
            connection.commit()
    assert len(ask(sqlite_shop, "SELECT * FROM hookkeeper_inbox")) == 1


def test_async_and_sync_are_not_mistaken_for_each_other(
    sqlite_shop: str, postgres_shop: str
) -> None:
    async def claim_on_async() -> None:
        for kind in (shops.of_async_psycopg, shops.of_async_sqlalchemy, shops.of_an_async_session):
            async with kind(postgres_shop) as connection:
                with pytest.raises(TypeError, match="await claim_async"):
                    inbox.claim(connection, order())
        with (
            shops.of_sqlite3(sqlite_shop) as connection,
            pytest.raises(TypeError, match=r"use claim\(\)"),
        ):
            await inbox.claim_async(connection, order())

    asyncio.run(claim_on_async())


def test_a_connection_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not builtins.object. Nothing was marked"):
        inbox.claim(object(), order())


def test_an_event_without_a_handler_needs_a_name(sqlite_shop: str) -> None:
    nameless = replace(order(), handler="")
    with shops.of_sqlite3(sqlite_shop) as connection:
        with pytest.raises(ValueError, match="handler="):
            inbox.claim(connection, nameless)
        assert inbox.claim(connection, nameless, handler="shop.book")
