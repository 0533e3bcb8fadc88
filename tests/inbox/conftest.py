"""A shop's database of each kind, with a table of its own and the inbox."""

import pytest
from sqlalchemy import make_url

from ingest import inbox
from tests.inbox import shops
from tests.services.postgres import PostgresServer


@pytest.fixture
def sqlite_shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite file of the shop's own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shop') / 'shop.db'}"
    with shops.of_sqlite3(url) as connection:
        _prepare(connection)
    return url


@pytest.fixture
def postgres_shop(postgres_url: str, postgres_server: PostgresServer) -> str:
    """A PostgreSQL database of the shop's own (here the pipeline's lives in it too)."""
    assert make_url(postgres_url).port == postgres_server.port
    with shops.of_psycopg(postgres_url) as connection:
        _prepare(connection)
    return postgres_url


def _prepare(connection: object) -> None:
    inbox.create_table(connection)
    shops.work(connection, "CREATE TABLE bookings (note TEXT)")
