"""One running pipeline a module and a database: SQLite in its folder, or a real PostgreSQL."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.pipeline import Pipeline, running_pipeline
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.services.sink import Sink


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def live_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/hookkeeper.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.start()
    return server.create_database(f"live_{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory, live_database_url: str, redis_server: RedisServer
) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("live")
    redis_server.start()
    redis_server.flush()
    with (
        closing(Sink()) as sink,
        running_pipeline(folder, live_database_url, redis_server.url, sink) as running,
    ):
        yield running
