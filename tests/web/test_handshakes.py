"""Handshakes through the receiver: what is let in, what is said, what is counted and kept."""

import base64
import contextlib
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from ingest.config.settings import Settings
from ingest.store import open_database
from ingest.store.rejected import Wanted, list_rejected
from tests.waiting import wait_until_async
from tests.web.rig import SECRET, count_events, receiving, requests_by_outcome, serving

pytestmark = pytest.mark.anyio

CONFIG = """
[sources.meta]
provider = "meta"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]
options = { verify_token = "meatyhamhock" }

[sources.trello]
provider = "trello"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[sources.events]
provider = "azure_event_grid"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[sources.xero]
provider = "xero"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[sources.zoom]
provider = "zoom"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[sources.zift]
provider = "zift"
unproved = true

[sources.subscribed.scheme]
family = "token"
header = "X-Token"
[[sources.subscribed.scheme.handshakes]]
when = { "body:confirm" = "*" }
signed = true
confirm = "body:confirm"
hosts = ["sns.*.amazonaws.com"]
[sources.subscribed]
secrets = ["env:GITHUB_WEBHOOK_SECRET"]
"""
META = {"hub.mode": "subscribe", "hub.verify_token": "meatyhamhock", "hub.challenge": "1158201444"}


@pytest.fixture(autouse=True)
def asking(settings: Settings) -> None:
    settings.config_path.write_text(CONFIG)


async def test_a_get_with_the_token_is_told_its_challenge(settings: Settings) -> None:
    async with receiving(settings) as client:
        answer = await client.get("/in/meta", params=META)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert count_events(settings.database_url) == 0


async def test_a_get_with_another_token_is_refused_and_counted_as_that(settings: Settings) -> None:
    before = requests_by_outcome("meta")
    async with receiving(settings) as client:
        answer = await client.get("/in/meta", params={**META, "hub.verify_token": "wrong"})
        await client.get("/in/meta", params=META)
    assert (answer.status_code, answer.content) == (403, b"")
    after = requests_by_outcome("meta")
    assert after["rejected"] == before["rejected"] + 1
    assert after["handshake"] == before["handshake"] + 1


async def test_a_refused_question_is_kept_with_its_cause(settings: Settings) -> None:
    """A mistyped token is the commonest mistake of a set-up."""
    async with receiving(settings) as client:
        await client.get("/in/meta", params={**META, "hub.verify_token": "wrong"})
        with contextlib.closing(open_database(settings.database_url)) as database:
            (kept,) = await wait_until_async(lambda: list_rejected(database, Wanted()))
    assert (kept.source, kept.method, kept.reason) == ("meta", "GET", "bad_signature")


async def test_a_get_that_asks_nothing_is_no_event(settings: Settings) -> None:
    """Not even one that is signed: events come by POST."""
    signature = "sha256=" + hmac.new(SECRET, b"", hashlib.sha256).hexdigest()
    async with receiving(settings) as client:
        answer = await client.get("/in/meta", headers={"x-hub-signature-256": signature})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "no_handshake")
    assert count_events(settings.database_url) == 0


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT"])
async def test_a_method_of_none_of_its_handshakes_is_refused(
    settings: Settings, method: str
) -> None:
    async with receiving(settings) as client:
        answer = await client.request(method, "/in/meta")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_event_grid_asks_by_options(settings: Settings) -> None:
    """CloudEvents: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md."""
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    async with receiving(settings) as client:
        right = await client.options("/in/events", params={"token": SECRET.decode()}, headers=asked)
        wrong = await client.options("/in/events", params={"token": "x"}, headers=asked)
    assert (right.status_code, right.headers["webhook-allowed-origin"]) == (
        200,
        "eventgrid.azure.net",
    )
    assert wrong.status_code == 403
    assert "webhook-allowed-origin" not in wrong.headers


async def test_xero_sends_its_intent_well_and_badly_signed(settings: Settings) -> None:
    body = b'{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}'
    good = base64.b64encode(hmac.new(SECRET, body, hashlib.sha256).digest()).decode()
    said = []
    async with receiving(settings) as client:
        for signature in (good, "AAAA", ""):
            answer = await client.post(
                "/in/xero", content=body, headers={"x-xero-signature": signature}
            )
            said.append((answer.status_code, answer.content))
        bare = await client.post("/in/xero", content=b'{"events":[{}]}')
        said.append((bare.status_code, bare.content))
    assert said == [(200, b""), (401, b""), (401, b""), (401, b"")]
    assert count_events(settings.database_url) == 0


async def test_zooms_digest_is_no_signature_of_an_event(settings: Settings) -> None:
    event = '{"event":"meeting.started"}'
    question = {"event": "endpoint.url_validation", "payload": {"plainToken": f"v0:1:{event}"}}
    async with receiving(settings) as client:
        forged = await client.post("/in/zoom", content=json.dumps(question).encode())
        question["payload"] = {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}
        asked = await client.post("/in/zoom", content=json.dumps(question).encode())
    assert forged.status_code == 401
    wanted = hmac.new(SECRET, b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert asked.json()["encryptedToken"] == wanted


async def test_a_subscription_is_not_said_to_be_confirmed_before_it_is(settings: Settings) -> None:
    body = b'{"confirm":"https://sns.us-east-1.amazonaws.com/?Token=1"}'
    async with receiving(settings) as client:
        answer = await client.post(
            "/in/subscribed", content=body, headers={"x-token": SECRET.decode()}
        )
        forged = await client.post("/in/subscribed", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_confirmed")
    assert forged.status_code == 401


async def test_an_event_is_acknowledged_in_its_providers_words(settings: Settings) -> None:
    async with receiving(settings) as client:
        for _ in range(2):
            answer = await client.post("/in/zift", content=b'{"notificationId":7}')
            assert (answer.status_code, answer.json()) == (200, {"notificationId": 7})
            assert answer.headers["content-type"] == "application/json"


def test_a_head_is_answered_without_a_body_and_its_connection_goes_on(
    tmp_path: Path, sqlite_url: str
) -> None:
    (tmp_path / "hookkeeper.toml").write_text(CONFIG)
    head = b"HEAD /in/trello HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /in/meta HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with serving(tmp_path, sqlite_url) as server:
        first, _, second = server.exchange(head + last).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200")
    assert b"content-length: 0" in first.lower()
    assert second.startswith(b"HTTP/1.1 400")
