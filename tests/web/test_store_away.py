"""The database or the broker is away: an honest 503 within a second, no restart, nothing lost."""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.config.settings import Settings
from ingest.errors import ConfigError
from ingest.store import migrate
from tests.lifespan import StartRefused
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.waiting import wait_until_async
from tests.web.rig import make_settings, receiving, stored

pytestmark = pytest.mark.anyio

SHIPPED = "900ms"  # how long a request waits for its commit where nobody says otherwise


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return make_settings(tmp_path, sqlite_url, COMMIT_TIMEOUT=SHIPPED)


@contextlib.contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Another process that holds SQLite's write lock and does not let go."""
    path = database_url.removeprefix("sqlite:///") + ".lock"
    with Path(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def test_a_database_that_does_not_commit_is_a_503_within_a_second(
    settings: Settings,
) -> None:
    async with receiving(settings) as client:
        with locked(settings.database_url):
            started = time.monotonic()
            answers = await asyncio.gather(
                *(client.post("/in/open", content=b"x") for _ in range(20))
            )
            assert time.monotonic() - started < 1.5
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.headers["retry-after"] for answer in answers} == {"2"}
        assert answers[0].json()["error"]["code"] == "database"

        async def accepts() -> bool:
            return (await client.post("/in/open", content=b"y")).status_code == 202

        await wait_until_async(accepts, describe="the receiver to accept again")


async def test_readiness_follows_the_database_without_any_request(settings: Settings) -> None:
    async with receiving(settings) as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        async def not_ready() -> bool:
            answer = await client.get("/readyz")
            return answer.status_code == 503 and answer.json()["checks"]["database"] != "ok"

        assert await ready()
        with locked(settings.database_url):
            await wait_until_async(not_ready, describe="readiness to notice")
            assert (await client.get("/livez")).status_code == 200
        await wait_until_async(ready, describe="readiness to come back")


async def test_a_database_that_is_away_at_the_start_is_used_once_it_answers(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.stop()
    async with receiving(make_settings(tmp_path, postgres_url, COMMIT_TIMEOUT=SHIPPED)) as client:
        answer = await client.post("/in/open", content=b"x")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database")
        assert (await client.get("/readyz")).status_code == 503
        await asyncio.to_thread(postgres_server.start)

        async def accepts() -> bool:
            return (await client.post("/in/open", content=b"y")).status_code == 202

        await wait_until_async(accepts, describe="the receiver to find the database")
        assert (await client.get("/readyz")).status_code == 200


async def test_a_database_that_restarts_is_used_again_without_ours(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresServer
) -> None:
    acknowledged: list[str] = []
    async with receiving(make_settings(tmp_path, postgres_url, COMMIT_TIMEOUT=SHIPPED)) as client:

        async def accepts() -> bool:
            answer = await client.post("/in/open", content=b"x")
            acknowledged.extend([answer.json()["id"]] if answer.status_code == 202 else [])
            return answer.status_code == 202

        assert await accepts()
        for _ in range(2):
            await asyncio.to_thread(postgres_server.restart)
            await wait_until_async(accepts, describe="the receiver to commit again")
    assert all(stored(postgres_url, event_id) for event_id in acknowledged)


async def test_an_outdated_schema_refuses_to_start_and_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    with pytest.raises(StartRefused, match="hookkeeper migrate"):
        async with receiving(make_settings(tmp_path, f"sqlite:///{file}")):
            pass
    migrate(f"sqlite:///{file}")
    async with receiving(make_settings(tmp_path, f"sqlite:///{file}")) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_a_bad_configuration_refuses_to_start(tmp_path: Path, sqlite_url: str) -> None:
    settings = make_settings(tmp_path, sqlite_url)
    (tmp_path / "hookkeeper.toml").write_text('[sources.github]\nprovidr = "github"\n')
    with pytest.raises(ConfigError, match="providr"):
        async with receiving(settings):
            pass


async def test_a_broker_that_hangs_is_not_felt_by_senders(
    tmp_path: Path, sqlite_url: str, redis_server: RedisServer, redis_url: str
) -> None:
    async with receiving(make_settings(tmp_path, sqlite_url, BROKER_URL=redis_url)) as client:
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            for _ in range(30):
                assert (await client.post("/in/open", content=b"x")).status_code == 202
            assert time.monotonic() - started < 10
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)


async def test_a_committed_event_wakes_the_workers(
    tmp_path: Path, sqlite_url: str, redis_url: str
) -> None:
    from ingest import queue  # noqa: PLC0415 - imports dramatiq, which only this test needs

    broker = queue.build_broker(redis_url, [])
    async with receiving(make_settings(tmp_path, sqlite_url, BROKER_URL=redis_url)) as client:
        assert (await client.post("/in/open", content=b"x")).status_code == 202
        await wait_until_async(
            lambda: queue.depth(broker, queue.DISPATCH) == 1, describe="a message in the queue"
        )
    broker.client.close()
