"""A database that cannot be reached, or must not be used."""

from pathlib import Path

import pytest

from ingest.config.settings import Settings
from tests.console.rig import answering, settings_in
from tests.lifespan import StartRefused
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer
from tests.waiting import wait_until_async

pytestmark = pytest.mark.anyio


@pytest.fixture
def away(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")


async def test_without_its_database_it_starts_and_says_so(away: Settings) -> None:
    async with answering(away) as client:
        alive = await client.get("/livez")
        ready = await client.get("/readyz")
        events = await client.get("/api/v1/events")
        sources = await client.get("/api/v1/sources")

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["status"] == "not_ready"
    assert events.status_code == 503
    assert events.headers["retry-after"]
    assert events.json()["error"]["code"] == "unavailable"
    assert "127.0.0.1" not in events.text + ready.text, "an address of the operator's network"
    assert sources.status_code == 200


async def test_a_database_that_comes_back_is_used(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    settings = settings_in(tmp_path, postgres_url)
    postgres_server.stop()
    async with answering(settings) as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        assert not await ready()
        postgres_server.start()
        await wait_until_async(ready, describe="the console to be ready")
        assert (await client.get("/api/v1/events")).json()["items"] == []


async def test_a_database_without_our_schema_is_a_reason_not_to_start(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()

    with pytest.raises(StartRefused, match="hookkeeper migrate"):
        async with answering(settings_in(tmp_path, f"sqlite:///{file}")):
            pass
