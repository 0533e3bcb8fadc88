"""Strict reading: what is unknown, wrong or given twice is refused, with its field and reason."""

from typing import Any

import httpx
import pytest

from ingest.config.settings import Settings
from ingest.console.asking import LARGEST_BODY
from ingest.store.destinations import paused
from tests.console.rig import Console, answering

pytestmark = pytest.mark.anyio

PAUSE = "destinations/billing/pause"
ID = "0191b2c0-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("state=lost", "state"),
        ("state=", "state"),
        ("source=", "source"),
        ("source=" + "x" * 256, "source"),
        ("sorce=github", "sorce"),
        ("since=yesterday", "since"),
        ("since=2026-11-23T08:00:00", "since"),
        ("since=-1", "since"),
        ("since=99999999999999999999", "since"),
        ("until=1e3", "until"),
        ("after=1", "after"),
        (f"after={ID}'", "after"),
        ("body=x", "body"),
        ("event_id=x", "event_id"),
    ],
)
async def test_a_wrong_parameter_is_named(settings: Settings, query: str, field: str) -> None:
    async with answering(settings) as client:
        answer = await client.get(f"/api/v1/events?{query}")

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("invalid", field)
    assert error["message"].startswith(f"{field}: ")


async def test_the_message_leads_from_a_mistyped_parameter_to_the_right_one(
    settings: Settings,
) -> None:
    async with answering(settings) as client:
        answer = await client.get("/api/v1/events?sorce=github&limit=0")

    assert 'did you mean "source"?' in answer.json()["error"]["message"]


async def test_all_mistakes_are_told_at_once(settings: Settings) -> None:
    async with answering(settings) as client:
        answer = await client.get("/api/v1/events?state=lost&limit=0")

    message = answer.json()["error"]["message"]
    assert "state: " in message
    assert "limit: " in message


@pytest.mark.parametrize("name", ["%00", "a%00b"])
async def test_what_a_database_cannot_even_compare_is_a_wrong_value(
    console: Console, name: str
) -> None:
    """PostgreSQL takes no NUL in a text; SQLite finds nothing."""
    answer = await console.client.get(f"/api/v1/events?source={name}")

    assert answer.status_code in {200, 422}
    assert answer.json().get("items", []) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'"text"', "body"),
        (b"null", "body"),
        (b"NaN", "body"),
        (b"\xff", "body"),
        (b"[" * 10_000, "body"),
        (b'{"reason": 5}', "reason"),
        (b'{"reason": null}', "reason"),
        (b'{"reason": ["why"]}', "reason"),
        (b'{"reason": "%b"}' % (b"x" * 1_001), "reason"),
        (b'{"reson": "why"}', "reson"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_wrong_body_is_named_and_nothing_is_done(
    console: Console, body: bytes, field: str
) -> None:
    headers = {"content-type": "application/json"}
    given: dict[str, Any] = {"content": body, "headers": headers}

    assert await console.fault("POST", PAUSE, **given) == (422, "invalid", field)
    assert paused(console.database) == []


async def test_a_body_over_the_cap_is_not_read_to_its_end(console: Console) -> None:
    answer = await console.post(PAUSE, {"reason": "x" * LARGEST_BODY})

    assert answer.status_code == 413
    assert paused(console.database) == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_taken_for_json(console: Console, kind: str) -> None:
    """What a form of a foreign page could post is none of these types."""
    fault = await console.fault("POST", PAUSE, content=b"{}", headers={"content-type": kind})

    assert fault == (415, "unsupported_media_type", None)
    assert paused(console.database) == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "events", "GET"),
        ("POST", "events", "GET"),
        ("GET", PAUSE, "POST"),
        ("PUT", PAUSE, "POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    settings: Settings, method: str, path: str, allowed: str
) -> None:
    async with answering(settings) as client:
        answer = await client.request(method, f"/api/v1/{path}")

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/api/v1/events/", "/api/v2/events", "/api/v1/events/a/b/c"]
)
async def test_what_is_not_there_is_said_in_the_same_form(settings: Settings, path: str) -> None:
    async with answering(settings) as client:
        answer: httpx.Response = await client.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
