"""What the configuration holds: sources, destinations, handlers; and what is paused."""

import pytest

from ingest.store import claims
from ingest.store.destinations import paused
from tests.console.rig import Console
from tests.store import making

pytestmark = pytest.mark.anyio


async def test_sources_are_listed_with_the_names_of_their_secrets_only(console: Console) -> None:
    answer = await console.client.get("/api/v1/sources")

    sources = {item["name"]: item for item in answer.json()["items"]}
    assert sources["open"] == {
        "name": "open",
        "path": "/in/open",
        "provider": "none",
        "max_body": 10_000_000,
        "dedupe": "provider",
        "retention_days": 30,
        "secrets": [],
    }
    assert sources["token"]["secrets"] == [{"name": "env:TOKEN_SECRET", "expires_at": None}]
    assert sources["token"]["retention_days"] == 7
    assert "a secret of a sender" not in answer.text


async def test_destinations_and_handlers_are_listed_without_their_addresses(
    console: Console,
) -> None:
    """An address may carry a credential, as Slack's do."""
    answer = await console.client.get("/api/v1/destinations")

    items = {item["name"]: item for item in answer.json()["items"]}
    assert set(items) == {"billing", "deploy"}
    assert (items["billing"]["kind"], items["billing"]["concurrency"]) == ("http", 3)
    assert (items["deploy"]["kind"], items["deploy"]["paused"]) == ("python", False)
    assert "in-the-url" not in answer.text


async def test_a_paused_destination_gets_nothing_until_it_is_resumed(console: Console) -> None:
    (ref,) = making.dispatched(console.database, "billing")
    worker = making.a_worker(console.database)

    stopped = await console.post("destinations/billing/pause", {"reason": "they move house"})

    assert stopped.status_code == 200
    assert (stopped.json()["paused"], stopped.json()["reason"]) == (True, "they move house")
    assert abs(stopped.json()["paused_at"] - making.now_ms()) < 60_000
    assert claims.claim(console.database, worker, [ref.id], {}) == []

    resumed = await console.post("destinations/billing/resume")

    assert (resumed.json()["paused"], resumed.json()["reason"]) == (False, None)
    assert making.ids_of(claims.claim(console.database, worker, [ref.id], {})) == [ref.id]


async def test_a_handler_is_paused_without_a_word_about_why(console: Console) -> None:
    answer = await console.post("destinations/deploy/pause")

    assert answer.status_code == 200
    assert [(each.name, each.reason) for each in paused(console.database)] == [("deploy", "")]


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_an_unknown_destination_is_not_found_with_the_nearest_name(
    console: Console, verb: str
) -> None:
    answer = await console.post(f"destinations/biling/{verb}")

    assert answer.status_code == 404
    assert 'did you mean "billing"?' in answer.json()["error"]["message"]
    assert paused(console.database) == []
