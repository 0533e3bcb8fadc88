"""``hookkeeper verify --jsonl``, one line at a time."""

import base64
import hashlib
import hmac
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.verify import load_catalogue
from ingest.verify.lines import verify_line
from tests.unit.verify.genuine import BODY, NOW, SECRET, SENDERS
from tests.unit.verify.key_pair_senders import KEY_PAIR_SENDERS, certificate

SECONDS = NOW // 1_000
CHALLENGE = '{"type":"url_verification","challenge":"c"}'


def _line(name: str = "github", **words: Any) -> dict[str, Any]:
    request = SENDERS[name].request()
    return {
        "id": 7,
        "provider": name,
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": BODY.decode(),
        "body_encoding": "utf8",
        "secret": SECRET.decode(),
        "now": NOW // 1000,
        **words,
    }


def _judge(line: object) -> dict[str, Any]:
    return verify_line(line, load_catalogue())


def _without(line: dict[str, Any], *words: str) -> dict[str, Any]:
    return {word: value for word, value in line.items() if word not in words}


def test_a_valid_line_tells_type_and_id() -> None:
    assert _judge(_line()) == {
        "id": 7,
        "valid": True,
        "reason": None,
        "event_type": "thing.made",
        "event_id": "guid-1",
    }


def test_an_invalid_line_tells_the_reason() -> None:
    assert _judge(_line(secret="other")) == {
        "id": 7,
        "valid": False,
        "reason": "bad_signature",
        "event_type": None,
        "event_id": None,
    }


def test_headers_may_be_pairs() -> None:
    pairs = [list(pair) for pair in SENDERS["github"].request().headers]
    assert _judge(_line(headers=pairs))["valid"] is True
    twice = [*pairs, ["x-hub-signature-256", "sha256=" + "0" * 64]]
    assert _judge(_line(headers=twice))["reason"] == "malformed_signature"


def test_a_public_key_beside_a_signed_secret_is_the_senders() -> None:
    """PayPal's webhook id is its secret; its certificate would have been fetched."""
    sender = KEY_PAIR_SENDERS["paypal"]
    sent = sender.send(sender.key, b"{}", NOW)
    line = {
        "provider": "paypal",
        "headers": sent.headers,
        "body": "{}",
        "now": NOW // 1000,
        "public_key": certificate(sender.key).decode(),
    }
    assert _judge({**line, "secret": "WH-1"})["valid"] is True
    assert _judge({**line, "secret": "WH-2"})["valid"] is False
    assert _judge({**line, "options": {"webhook_id": "WH-1"}})["valid"] is True
    assert _judge({**line, "secret": "WH-1", "body": "{} "})["valid"] is False
    elsewhere = {**sent.headers, "PAYPAL-CERT-URL": "https://paypal.com.evil.example/certs/C"}
    assert _judge({**line, "secret": "WH-1", "headers": elsewhere})["valid"] is False


def test_a_body_may_be_base64() -> None:
    encoded = base64.b64encode(BODY).decode()
    assert _judge(_line(body=encoded, body_encoding="base64"))["valid"]
    broken = _judge(_line(body="not base64!", body_encoding="base64"))
    assert broken["reason"] == "malformed_line"


def test_any_of_several_secrets_will_do() -> None:
    line = _without(_line(), "secret")
    assert _judge({**line, "secrets": ["other", SECRET.decode()]})["valid"]
    assert _judge({**line, "secrets": []})["reason"] == "no_secret"
    assert _judge(line)["reason"] == "no_secret"
    assert _judge({**line, "secret": ""})["reason"] == "no_secret"


def test_without_now_the_timestamp_is_not_checked() -> None:
    assert _judge(_line("stripe", now=NOW // 1000 + 301))["reason"] == "stale_timestamp"
    assert _judge(_line("stripe", now=None))["valid"]


def test_a_line_may_set_the_tolerance() -> None:
    late = _line("stripe", now=NOW // 1000 + 6)
    assert _judge(late)["valid"]
    assert _judge({**late, "options": {"tolerance": 5}})["reason"] == "stale_timestamp"
    assert _judge({**late, "options": {"tolerance": "5", "other": [1]}})["valid"]


def test_a_header_may_have_several_values() -> None:
    line = _line("stripe")
    signature = line["headers"]["Stripe-Signature"]
    line["headers"]["Stripe-Signature"] = [signature, signature]
    assert _judge(line)["valid"]


def test_an_unknown_provider_is_not_valid() -> None:
    assert _judge(_line(provider="nobody"))["reason"] == "unknown_provider"
    assert _judge({"provider": "nobody"})["reason"] == "unknown_provider"


def test_the_provider_none_takes_everything() -> None:
    assert _judge({"provider": "none"})["valid"]


@pytest.mark.parametrize(
    "line",
    [
        None,
        17,
        "text",
        [],
        {},
        {"provider": 1},
        _line(headers=None),
        _line(headers={"a": 1}),
        _line(headers=[["a"]]),
        _line(headers=[["a", "b", "c"]]),
        _line(body=b"bytes"),
        _line(body_encoding="utf16"),
        _line(now="soon"),
        _line(now=-1),
        _line(now=float("nan")),
        _line(now=10**400),
        _line(secret=17),
        _line(secrets="text"),
        _line(options=[]),
    ],
)
def test_a_line_that_makes_no_sense_is_answered_and_not_raised(line: object) -> None:
    answer = _judge(line)
    assert answer["valid"] is False
    assert answer["reason"] == "malformed_line"
    assert answer["id"] == (7 if isinstance(line, dict) and "id" in line else None)


@pytest.mark.parametrize("word", ["body", "secret", "url", "method", "public_key"])
def test_half_a_surrogate_pair_is_judged_like_any_other_text(word: str) -> None:
    """JSON can hold one, UTF-8 cannot."""
    unsigned = word not in ("body", "secret")
    assert _judge(_line("stripe", **{word: "\ud800"}))["valid"] is unsigned
    config = {"secret": "\ud800"}
    assert _judge({"provider": "slack", "body": CHALLENGE, "config": config})["response"] is None


def test_a_handshake_is_answered_in_its_own_form() -> None:
    answer = _judge({"id": "h", "provider": "slack", "body": CHALLENGE, "config": {}})
    assert answer["id"] == "h"
    assert answer["response"]["status"] == 200
    assert answer["response"]["body"] == '{"challenge":"c"}'
    assert answer["response"]["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize(
    "line",
    [
        {"provider": "slack", "body": "{}", "config": {}},
        {"provider": "github", "body": CHALLENGE, "config": {}},
        {"provider": "nobody", "body": CHALLENGE, "config": {}},
        {"provider": "slack", "body": CHALLENGE, "config": {"secret": "s"}},
        {"provider": "slack", "method": "GET", "body": CHALLENGE, "config": {}},
        {"provider": "slack", "body": CHALLENGE, "config": {"secret": "s", "now": float("inf")}},
        {"provider": "slack", "body": CHALLENGE, "config": {"secret": "s", "now": float("nan")}},
    ],
)
def test_what_is_no_handshake_has_no_answer(line: dict[str, Any]) -> None:
    assert _judge(line) == {"id": None, "response": None}


def test_a_signed_handshake_is_held_against_the_configured_secret() -> None:
    request = SENDERS["slack"].request(b"s", CHALLENGE.encode())
    line = {"provider": "slack", "headers": dict(request.headers), "body": CHALLENGE}
    right = _judge({**line, "config": {"secret": "s", "now": NOW // 1000}})
    assert right["response"]["status"] == 200
    assert _judge({**line, "config": {"secret": "x", "now": NOW // 1000}})["response"] is None
    late = {"secret": "s", "now": NOW // 1000 + 301}
    assert _judge({**line, "config": late})["response"] is None


def test_a_line_with_a_secret_is_a_signature_even_beside_config() -> None:
    assert _judge(_line(config={}))["valid"] is True


@pytest.mark.parametrize("slug", ["github", "standardwebhooks", "livekit"])
def test_a_public_key_is_no_shared_secret(slug: str) -> None:
    """Everybody has it, and could sign with it."""
    key = base64.b64encode(bytes(range(32))).decode()
    stamp = {"webhook-id": "m", "webhook-timestamp": str(SECONDS)}
    digest = hmac.new(bytes(range(32)), f"m.{SECONDS}.{{}}".encode(), hashlib.sha256).digest()
    headers = {
        "github": {
            "X-Hub-Signature-256": "sha256="
            + hmac.new(key.encode(), b"{}", hashlib.sha256).hexdigest()
        },
        "standardwebhooks": {
            **stamp,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        },
        "livekit": {
            "Authorization": jwt.encode(
                {"iss": "k", "sha256": base64.b64encode(hashlib.sha256(b"{}").digest()).decode()},
                key,
                "HS256",
            )
        },
    }[slug]
    line = {"id": "it", "provider": slug, "headers": headers, "body": "{}", "now": SECONDS}
    catalogue = load_catalogue()
    assert verify_line({**line, "secret": key}, catalogue)["valid"], "as a secret it would hold"
    assert not verify_line({**line, "public_key": key}, catalogue)["valid"]


def test_a_public_key_of_standard_webhooks_needs_no_mark() -> None:
    key = Ed25519PrivateKey.generate()
    signature = base64.b64encode(key.sign(f"m.{SECONDS}.{{}}".encode())).decode()
    headers = {"webhook-id": "m", "webhook-timestamp": str(SECONDS)}
    line = {
        "id": "it",
        "provider": "standardwebhooks",
        "body": "{}",
        "now": SECONDS,
        "headers": {**headers, "webhook-signature": f"v1a,{signature}"},
    }
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    for text in (public, f"whpk_{public}"):
        assert verify_line({**line, "public_key": text}, load_catalogue())["valid"]


def test_a_public_key_that_names_the_sender_is_its_option() -> None:
    """Braintree's: only that key's signature counts."""
    key = hashlib.sha1(b"s").digest()
    signature = hmac.new(key, b"PD94bWw=", hashlib.sha1).hexdigest()
    body = f"bt_signature=mine%7C{signature}&bt_payload=PD94bWw%3D"
    line = {"id": "it", "provider": "braintree", "headers": {}, "body": body, "secret": "s"}
    verdicts = [
        verify_line({**line, "public_key": name}, load_catalogue())["valid"]
        for name in ("mine", "another")
    ]
    assert verdicts == [True, False]
