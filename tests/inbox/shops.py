"""A shop's own database, and the kinds of connections that its handlers may have to it.

Each kind is a context manager: it yields a connection in a transaction, which commits at the end
of the block and rolls back on an exception, as the library's own documentation writes it.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from typing import Any

import aiosqlite
import django
import psycopg
import sqlalchemy
from django.conf import settings
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from ingest.events import Event

Kind = Callable[[str], AbstractContextManager[Any]]
AsyncKind = Callable[[str], AbstractAsyncContextManager[Any]]

BOOK = "INSERT INTO bookings (note) VALUES ('paid')"


ORDER_ID = "0190163d-8694-739b-aea5-966c26f8ad91"


def order(id_: str = ORDER_ID, generation: int = 0, body: bytes = b"{}") -> Event:
    """A paid order, as the handler ``shop.book`` gets it."""
    return Event(
        id=id_,
        source="shopify",
        type="orders/paid",
        provider_event_id=None,
        received_at=1_700_000_000_000,
        headers=(),
        query="",
        content_type="application/json",
        body=body,
        trace_id="",
        generation=generation,
        handler="shop.book",
    )


def plain(url: str) -> str:
    """Spell a URL as psycopg reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def file(url: str) -> str:
    """Return the file of a SQLite URL."""
    return make_url(url).database or ""


def ask(url: str, statement: str) -> list[Any]:
    """Run a statement by itself, on a connection of its own, and return its rows."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(file(url))) as other, other:
            return other.execute(statement).fetchall()
    with psycopg.connect(plain(url)) as other_server:
        cursor = other_server.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def bookings(url: str) -> int:
    """Count what was booked and committed."""
    return int(ask(url, "SELECT count(*) FROM bookings")[0][0])


@contextmanager
def of_sqlite3(url: str) -> Iterator[Any]:
    with closing(sqlite3.connect(file(url))) as connection, connection:
        yield connection


@contextmanager
def of_psycopg(url: str) -> Iterator[Any]:
    with psycopg.connect(plain(url)) as connection:
        yield connection


@contextmanager
def of_psycopg_with_autocommit(url: str) -> Iterator[Any]:
    with psycopg.connect(plain(url), autocommit=True) as connection, connection.transaction():
        yield connection


@contextmanager
def of_psycopg_in_a_pipeline(url: str) -> Iterator[Any]:
    with psycopg.connect(plain(url)) as connection, connection.pipeline():
        yield connection


@contextmanager
def engine_of(url: str, **options: Any) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def of_sqlalchemy(url: str) -> Iterator[Any]:
    with engine_of(url) as engine, engine.begin() as connection:
        yield connection


@contextmanager
def of_sqlalchemy_as_it_goes(url: str) -> Iterator[Any]:
    with engine_of(url) as engine, engine.connect() as connection:
        yield connection
        connection.commit()


@contextmanager
def of_a_session(url: str) -> Iterator[Any]:
    with engine_of(url) as engine, Session(engine) as session, session.begin():
        yield session


@contextmanager
def of_django(url: str) -> Iterator[Any]:
    alias = know_to_django(url)
    try:
        with transaction.atomic(using=alias):
            yield connections[alias]
    finally:
        connections[alias].close()


def know_to_django(url: str) -> str:
    """Enter a database into Django's settings, and return its alias."""
    if not settings.configured:
        settings.configure()
        django.setup()
    parsed = make_url(url)
    connections.databases["shop"] = connections.databases["default"] | {
        "ENGINE": f"django.db.backends.{parsed.get_backend_name()}{'3' * url.startswith('sqlite')}",
        "NAME": parsed.database,
        "USER": parsed.username or "",
        "HOST": parsed.host or "",
        "PORT": parsed.port or "",
        "ATOMIC_REQUESTS": False,
        "AUTOCOMMIT": True,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {},
        "TIME_ZONE": None,
    }
    if hasattr(connections._connections, "shop"):  # of another test's database
        del connections["shop"]
    return "shop"


@asynccontextmanager
async def _async_engine_of(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url.replace("sqlite://", "sqlite+aiosqlite://"))
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def of_async_sqlalchemy(url: str) -> AsyncIterator[Any]:
    async with _async_engine_of(url) as engine, engine.begin() as connection:
        yield connection


@asynccontextmanager
async def of_an_async_session(url: str) -> AsyncIterator[Any]:
    async with _async_engine_of(url) as engine, AsyncSession(engine) as session, session.begin():
        yield session


@asynccontextmanager
async def of_async_psycopg(url: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(plain(url)) as connection:
        yield connection


@asynccontextmanager
async def of_aiosqlite(url: str) -> AsyncIterator[Any]:
    async with aiosqlite.connect(file(url)) as connection:
        yield connection
        await connection.commit()


def work(connection: Any, statement: str) -> None:
    """Do a handler's own work on its connection, as its library spells it."""
    if isinstance(connection, sqlalchemy.Connection | Session):
        connection.execute(sqlalchemy.text(statement))
    elif isinstance(connection, BaseDatabaseWrapper):
        with connection.cursor() as cursor:
            cursor.execute(statement)
    else:
        connection.execute(statement)


async def work_async(connection: Any, statement: str) -> None:
    """Do the same on a connection whose methods are coroutines."""
    spelled = sqlalchemy.text(statement) if hasattr(connection, "run_sync") else statement
    await connection.execute(spelled)


SQLITE: tuple[Kind, ...] = (
    *(of_sqlite3, of_sqlalchemy, of_sqlalchemy_as_it_goes, of_a_session, of_django),
)
POSTGRESQL: tuple[Kind, ...] = (
    *(of_psycopg, of_psycopg_with_autocommit, of_psycopg_in_a_pipeline),
    *(of_sqlalchemy, of_sqlalchemy_as_it_goes, of_a_session, of_django),
)
ASYNC_SQLITE: tuple[AsyncKind, ...] = (of_async_sqlalchemy, of_an_async_session, of_aiosqlite)
ASYNC_POSTGRESQL: tuple[AsyncKind, ...] = (
    *(of_async_sqlalchemy, of_an_async_session, of_async_psycopg),
)
