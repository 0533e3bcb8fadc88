"""What a sender gets for an event, and what is kept of it."""

import hashlib
import json
import time
from pathlib import Path

import pytest

from ingest.config.settings import Settings
from ingest.testing import make_webhook
from tests.waiting import wait_until_async
from tests.web.rig import (
    CONFIG,
    SECRET,
    count_events,
    github_headers,
    make_settings,
    receiving,
    slack_headers,
    stored,
)

pytestmark = pytest.mark.anyio
EXAMPLES = Path(__file__).parents[1] / "samples" / "github_examples.jsonl"


async def test_an_accepted_event_is_in_the_database_before_the_sender_hears_of_it(
    tmp_path: Path, database_url: str
) -> None:
    body = b'{"action":"opened","issue":{"number":1}}'
    async with receiving(make_settings(tmp_path, database_url)) as client:
        answer = await client.post(
            "/in/github", content=body, headers=github_headers(body, event="issues")
        )
        assert answer.status_code == 202
        assert answer.json() == {"id": answer.json()["id"], "status": "accepted"}
        event = stored(database_url, answer.json()["id"])
    assert (event.source, event.type, event.provider_event_id) == ("github", "issues.opened", "d-1")
    assert event.body == body
    assert event.content_type == "application/json"


async def test_a_type_that_the_signature_does_not_cover_is_marked(
    tmp_path: Path, database_url: str
) -> None:
    """Whoever replays a signed body can write another type into GitHub's header beside it."""
    settings = make_settings(tmp_path, database_url)
    stripe = '\n[sources.stripe]\nprovider = "stripe"\nsecrets = ["env:GITHUB_WEBHOOK_SECRET"]\n'
    settings.config_path.write_text(CONFIG + stripe)
    body = b'{"ref":"refs/heads/main"}'
    replayed = github_headers(body, event="release", delivery="d-2")
    paid = make_webhook("stripe", "invoice.paid", secret=SECRET, public_url="http://hooks.test")
    posts = [
        ("/in/github", body, github_headers(body)),
        ("/in/github", body, replayed),
        ("/in/stripe", paid.body, dict(paid.headers)),
        ("/in/open", b"{}", {}),
    ]
    kept = []
    async with receiving(settings) as client:
        for path, content, headers in posts:
            answer = await client.post(path, content=content, headers=headers)
            assert answer.is_success, answer.text
            kept.append(answer.json()["id"])
    events = [stored(database_url, event_id) for event_id in kept]
    assert [(event.type, event.type_signed) for event in events] == [
        ("push", False),
        ("release", False),
        ("invoice.paid", True),
        ("", False),
    ]


async def test_real_github_payloads_are_kept_byte_for_byte(settings: Settings) -> None:
    examples = [json.loads(line) for line in EXAMPLES.read_text().splitlines()[:40]]
    async with receiving(settings) as client:
        for number, example in enumerate(examples):
            body = json.dumps(example["body"], ensure_ascii=bool(number % 2)).encode()
            kind = example["headers"]["x-github-event"]
            headers = github_headers(body, event=kind, delivery=str(number))
            answer = await client.post("/in/github", content=body, headers=headers)
            event = stored(settings.database_url, answer.json()["id"])
            assert event.body == body
            assert event.type == example["event"]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe\x00not utf-8", b"not json {", b"a=1&a=2&payload=%7B%7D", b"[" * 5000],
    ids=["empty", "invalid utf-8", "malformed json", "a form", "deep json"],
)
async def test_a_verified_body_is_kept_whatever_it_holds(settings: Settings, body: bytes) -> None:
    async with receiving(settings) as client:
        answer = await client.post("/in/github", content=body, headers=github_headers(body))
        assert answer.status_code == 202
        assert stored(settings.database_url, answer.json()["id"]).body == body


async def test_headers_keep_their_order_their_repetitions_and_every_byte(
    settings: Settings,
) -> None:
    sent = [(b"x-one", b"1"), (b"x-two", b"caf\xe9"), (b"x-one", b"again"), (b"x-empty", b"")]
    async with receiving(settings) as client:
        answer = await client.post("/in/open?b=2&a=1&b=%00", content=b"x", headers=sent)
        event = stored(settings.database_url, answer.json()["id"])
    ours = [pair for pair in event.headers if pair[0].startswith("x-")]
    assert ours == [("x-one", "1"), ("x-two", "café"), ("x-one", "again"), ("x-empty", "")]
    assert event.query == "b=2&a=1&b=%00"


async def test_a_redelivery_names_the_first_event_and_says_how_to_replay_it(
    settings: Settings,
) -> None:
    body = b"{}"
    async with receiving(settings) as client:
        first = await client.post("/in/github", content=body, headers=github_headers(body))
        again = await client.post("/in/github", content=body, headers=github_headers(body))
    assert again.status_code == 200
    assert again.json()["status"] == "duplicate"
    assert again.json()["id"] == first.json()["id"]
    assert f"hookkeeper events replay {first.json()['id']}" in again.json()["hint"]
    assert count_events(settings.database_url) == 1


async def test_an_unsigned_id_with_another_body_is_another_event(settings: Settings) -> None:
    """Whoever replays a body can write any id beside it, so GitHub's id alone proves nothing."""
    async with receiving(settings) as client:
        for body in (b'{"n":1}', b'{"n":2}'):
            headers = github_headers(body, delivery="same")
            answer = await client.post("/in/github", content=body, headers=headers)
            assert answer.status_code == 202


async def test_credentials_are_kept_as_digests_only(settings: Settings, tmp_path: Path) -> None:
    secret = "it's a secret to everybody"
    headers = {"x-gitlab-token": secret, "authorization": "Bearer abc123", "cookie": "session=1"}
    async with receiving(settings) as client:
        answer = await client.post("/in/token?key=hunter2&page=1", content=b"x", headers=headers)
        assert answer.status_code == 200
    everything = kept_in(tmp_path)
    for plain in (secret, "abc123", "session=1", "hunter2"):
        assert plain.encode() not in everything
    assert b"Bearer hmac-sha256:" in everything
    assert b"key=hmac-sha256:" in everything
    assert b"&page=1" in everything


def kept_in(folder: Path) -> bytes:
    """Every byte of the database's files, its log included."""
    return b"".join(path.read_bytes() for path in folder.glob("hookkeeper.db*"))


async def test_a_providers_own_success_answer_is_given(settings: Settings) -> None:
    headers = {"x-gitlab-token": "it's a secret to everybody"}
    async with receiving(settings) as client:
        answer = await client.post("/in/token", content=b"x", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"[accepted]")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_the_senders_trace_goes_on_and_a_bad_one_does_not(settings: Settings) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with receiving(settings) as client:
        for sent, kept in ((f"00-{trace}-b7ad6b7169203331-01", True), (f"00-{trace}", False)):
            answer = await client.post("/in/open", content=b"x", headers={"traceparent": sent})
            event = stored(settings.database_url, answer.json()["id"])
            assert (event.trace_id == trace) is kept
            assert len(event.trace_id) == 32


async def test_a_signed_slack_handshake_is_answered_and_is_no_event(settings: Settings) -> None:
    body = b'{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",'
    body += b'"type":"url_verification"}'
    async with receiving(settings) as client:
        signed = await client.post(
            "/in/slack", content=body, headers=slack_headers(body, int(time.time()))
        )
        forged = await client.post("/in/slack", content=body)
    assert signed.status_code == 200
    challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    assert signed.json() == {"challenge": challenge}
    assert forged.status_code == 401
    assert count_events(settings.database_url) == 0


async def test_a_large_body_up_to_the_cap_of_its_source_is_kept_whole(settings: Settings) -> None:
    body = bytes(range(256)) * 36_000  # 9.2 MB: verified beside the event loop
    async with receiving(settings) as client:
        answer = await client.post("/in/github", content=body, headers=github_headers(body))
        event = stored(settings.database_url, answer.json()["id"])
    assert hashlib.sha256(event.body).digest() == hashlib.sha256(body).digest()


async def test_a_new_source_is_open_without_a_restart(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "hookkeeper.toml"
    async with receiving(settings) as client:
        assert (await client.post("/in/fresh", content=b"x")).status_code == 404
        config.write_text(config.read_text() + '\n[sources.fresh]\nprovider = "none"\n')

        async def is_open() -> bool:
            return (await client.post("/in/fresh", content=b"x")).status_code == 202

        await wait_until_async(is_open, describe="the receiver to read its configuration again")
