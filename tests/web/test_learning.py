"""A secret that a provider says in its handshake is stored before the answer, and then believed."""

import contextlib
import hashlib
import hmac
from collections.abc import Iterator

import httpx
import pytest

from ingest.config.settings import Settings
from ingest.store import Database, open_database
from ingest.store.learned_secrets import live, open_window
from ingest.store.rejected import Wanted, get_rejected, list_rejected
from tests.waiting import wait_until_async
from tests.web.rig import count_events, receiving

pytestmark = pytest.mark.anyio

BODY = b'{"events":[{"action":"changed"}]}'
CONFIG = """
[sources.asana]
provider = "asana"

[sources.filed]
provider = "asana"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]
"""


@pytest.fixture(autouse=True)
def asana(settings: Settings) -> None:
    settings.config_path.write_text(CONFIG)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    with contextlib.closing(open_database(settings.database_url)) as opened:
        yield opened


async def teach(client: httpx.AsyncClient, secret: str, source: str = "asana") -> int:
    answer = await client.post(f"/in/{source}", headers={"x-hook-secret": secret})
    if answer.status_code == 200:
        assert answer.headers["x-hook-secret"] == secret
    return answer.status_code


async def post(client: httpx.AsyncClient, secret: str, body: bytes = BODY) -> int:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hook-signature": signature}
    return (await client.post("/in/asana", content=body, headers=headers)).status_code


async def test_what_a_handshake_teaches_is_believed_from_its_answer_on(
    settings: Settings, database: Database
) -> None:
    async with receiving(settings) as client:
        assert await post(client, "s1") == 503, "it waits for a secret: try again"
        assert await teach(client, "s1") == 200
        assert len(live(database)) == 1, "stored before the answer"
        assert await post(client, "s1") == 202
        assert await post(client, "other") == 401
    assert count_events(settings.database_url) == 1


async def test_a_restarted_receiver_knows_it_from_its_first_request_on(settings: Settings) -> None:
    async with receiving(settings) as client:
        await teach(client, "s1")
    async with receiving(settings) as client:
        assert await post(client, "s1") == 202


async def test_an_attacker_cannot_teach_a_second_one(
    settings: Settings, database: Database
) -> None:
    async with receiving(settings) as client:
        await teach(client, "s1")
        assert await teach(client, "evil") == 401
        assert await post(client, "evil") == 401
        await wait_until_async(lambda: len(list_rejected(database, Wanted())) == 2)
    row = list_rejected(database, Wanted(reason="learning_closed"))[0]
    assert "evil" not in str(get_rejected(database, row.id).headers)
    assert len(live(database)) == 1


async def test_a_source_with_a_secret_in_its_file_learns_none(
    settings: Settings, database: Database
) -> None:
    async with receiving(settings) as client:
        assert await teach(client, "evil", source="filed") == 401
    assert live(database) == []


async def test_the_provider_may_say_its_secret_again(
    settings: Settings, database: Database
) -> None:
    """It missed our answer. That is no other secret."""
    async with receiving(settings) as client:
        assert await teach(client, "s1") == 200
        assert await teach(client, "s1") == 200
    assert len(live(database)) == 1


async def test_an_operator_opens_a_source_for_one_more(
    settings: Settings, database: Database
) -> None:
    async with receiving(settings) as client:
        await teach(client, "s1")
        open_window(database, "asana", 60_000)

        async def opened() -> bool:
            return await teach(client, "s2") == 200

        await wait_until_async(opened, describe="the receiver to hear of it")
        assert await teach(client, "s3") == 401
        assert [await post(client, one, one.encode()) for one in ("s1", "s2")] == [202, 202]


async def test_another_receiver_believes_it_too_without_a_restart(settings: Settings) -> None:
    async with receiving(settings) as first, receiving(settings) as second:
        assert await teach(first, "s1") == 200

        async def believed() -> bool:
            return await post(second, "s1") == 202

        await wait_until_async(believed)


async def test_an_empty_secret_teaches_nothing(settings: Settings, database: Database) -> None:
    """Anybody can sign with it."""
    async with receiving(settings) as client:
        assert await teach(client, "") == 401
    assert live(database) == []
