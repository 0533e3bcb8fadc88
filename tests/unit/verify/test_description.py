"""What a verified request says of its event: type, id, and whether the sender signed them."""

import json
from typing import Any

import pytest

from ingest.verify import Request, Secret, Verified, custom_provider, load_catalogue, verify
from ingest.verify.cleaning import clean, clean_id
from tests.unit.verify.genuine import NOW, SECRET, SENDERS, secret
from tests.unit.verify.our_signing import sign_body

FORM = ("content-type", "application/x-www-form-urlencoded")


def _described(
    name: str,
    body: Any,
    *headers: tuple[str, str],
    event_type: str = "",
    event_id: str | None = None,
) -> Verified:
    provider = load_catalogue()[name]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = sign_body(provider, raw, SECRET, NOW, event_type, event_id)
    verdict = verify(provider, Request("POST", "/", (*headers, *made), raw), [secret()], NOW)
    assert isinstance(verdict, Verified)
    return verdict


@pytest.mark.parametrize(
    ("name", "event_type", "event_id", "id_signed", "type_signed"),
    [
        ("github", "thing.made", "guid-1", False, False),
        ("shopify", "things/made", "guid-1", False, False),
        ("slack", "thing.made", "Ev1", True, True),
        ("stripe", "thing.made", "evt_1", True, True),
        ("standardwebhooks", "thing.made", "msg_1", True, True),
        ("svix", "thing.made", "msg_1", True, True),
        ("acme", "thing.made", "n-1", True, True),
    ],
)
def test_each_provider_names_its_event_and_what_of_it_is_signed(
    *, name: str, event_type: str, event_id: str, id_signed: bool, type_signed: bool
) -> None:
    sender = SENDERS[name]
    verdict = verify(sender.provider, sender.request(), [secret()], NOW)
    assert verdict == Verified(event_type, event_id, id_signed, type_signed, "env:S")


def test_github_adds_the_action_only_where_the_body_has_one() -> None:
    assert _described("github", {"ref": "x"}, event_type="push").event_type == "push"
    body = b"payload=%7B%22action%22%3A%22opened%22%7D"
    assert _described("github", body, FORM, event_type="issues").event_type == "issues.opened"


def test_github_takes_a_body_that_is_no_json() -> None:
    assert _described("github", b"Hello, World!", event_type="ping").event_type == "ping"


@pytest.mark.parametrize(
    ("body", "headers", "event_type"),
    [
        ({"type": "event_callback", "event": {"type": "app_mention"}}, (), "app_mention"),
        ({"type": "app_rate_limited"}, (), "app_rate_limited"),
        (b"payload=%7B%22type%22%3A%22view_submission%22%7D", (FORM,), "view_submission"),
        (b"command=%2Fweather&text=94070", (FORM,), "/weather"),
        (b"text=94070", (FORM,), ""),
    ],
)
def test_slack_names_events_interactions_and_commands(
    body: Any, headers: tuple[tuple[str, str], ...], event_type: str
) -> None:
    assert _described("slack", body, *headers).event_type == event_type


@pytest.mark.parametrize("key", ["type", "event_type", "eventType", "scope"])
def test_standard_webhooks_finds_the_type_where_senders_put_it(key: str) -> None:
    assert _described("standardwebhooks", {key: "a.b"}, event_id="m").event_type == "a.b"


def test_a_type_taken_from_a_signed_header_counts_as_signed() -> None:
    scheme = {
        "family": "hmac",
        "header": "X-Signature",
        "content": "{header:X-Type}.{body}",
        "event_type": "header:X-Type",
        "event_id": "header:X-Id",
    }
    provider = custom_provider("acme", scheme)
    headers = sign_body(provider, b"{}", b"s", NOW, "made", "1")
    verdict = verify(
        provider, Request("POST", "/", tuple(headers), b"{}"), [Secret("s", b"s")], NOW
    )
    assert verdict == Verified("made", "1", False, True, "s")


def test_text_from_outside_is_cleaned() -> None:
    body = {"type": "a\0b\x1b[31mc\x85" + "d" * 300, "id": "evt_\r\n1"}
    described = _described("stripe", body)
    assert described.event_type == ("ab[31mc" + "d" * 300)[:255]
    assert described.event_id is not None
    assert described.event_id.startswith("evt_1~")
    assert clean("a\ud800b") == "ab"


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("issues.opened", "größe", "日本語", ""):
        assert clean(text) == text
        assert clean_id(text) == text


def test_two_long_ids_with_the_same_beginning_stay_two() -> None:
    """Cut to one, they would count as one event, and the second be lost."""
    first, second = clean_id("i" * 300 + "1"), clean_id("i" * 300 + "2")
    assert first != second
    assert len(first) == len(second) == 255
    assert clean_id("a\0b") != clean_id("ab")
