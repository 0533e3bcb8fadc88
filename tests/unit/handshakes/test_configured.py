"""Lines of ``verify --jsonl`` that show what a source with a certain config would answer."""

import hashlib
import hmac
import json
from base64 import b64encode
from typing import Any

import pytest

from ingest.verify import load_catalogue
from ingest.verify.lines import verify_line

BODY = '{"webhook_type":"Order"}'
SHIPHERO = {"code": "200", "Status": "Success"}


def line(config: dict[str, str], signature: str = "") -> Any:
    headers = {"x-shiphero-hmac-sha256": signature}
    asked = {"provider": "shiphero", "headers": headers, "body": BODY, "config": config}
    return verify_line(asked, load_catalogue())["response"]


def test_a_line_without_a_secret_shows_the_answer_to_an_event() -> None:
    assert json.loads(line({})["body"]) == SHIPHERO


def test_a_line_with_a_secret_shows_whether_the_event_is_taken() -> None:
    made = b64encode(hmac.new(b"s3", BODY.encode(), hashlib.sha256).digest()).decode()
    assert json.loads(line({"api_secret": "s3"}, made)["body"]) == SHIPHERO
    refused = line({"api_secret": "s3"}, "AAAA")
    assert (refused["status"], refused["body"]) == (401, "")


@pytest.mark.parametrize(
    ("slug", "config"),
    [
        ("meta", {"verification_token": "t"}),
        ("meta", {"hub.verify_token": "t", "app_secret": "s"}),
        ("strava", {"token": "t"}),
    ],
)
@pytest.mark.parametrize(("token", "status"), [("t", 200), ("u", 403)])
def test_a_line_may_call_the_token_as_its_provider_does(
    slug: str, config: dict[str, str], token: str, status: int
) -> None:
    url = f"/?hub.mode=subscribe&hub.challenge=c&hub.verify_token={token}"
    asked = {"provider": slug, "method": "GET", "url": url, "config": config}
    assert verify_line(asked, load_catalogue())["response"]["status"] == status


@pytest.mark.parametrize(
    "word", ["consumer_secret", "apiSecret", "client-secret", "API key secret", "secrets"]
)
def test_a_line_may_call_the_secret_as_its_provider_does(word: str) -> None:
    told: Any = ["s3"] if word == "secrets" else "s3"
    asked = {"provider": "x_twitter", "method": "GET", "url": "/?crc_token=abc"}
    response = verify_line({**asked, "config": {word: told}}, load_catalogue())["response"]
    assert json.loads(response["body"])["response_token"].startswith("sha256=")


@pytest.mark.parametrize("config", [{}, {"verification_token": "v"}, {"token": "v"}, {"now": 1}])
def test_a_line_whose_config_holds_no_secret_shows_the_answer_to_a_proved_one(
    config: dict[str, Any],
) -> None:
    body = '{"type":"url_verification","challenge":"c","token":"v"}'
    asked = {"provider": "slack", "body": body, "config": config}
    assert json.loads(verify_line(asked, load_catalogue())["response"]["body"]) == {
        "challenge": "c"
    }


@pytest.mark.parametrize(
    "config",
    [
        {"secret": None, "secrets": "s"},
        {"secrets": [1, None, "\ud800"]},
        {"verify_token": ["t"], "token": {}},
        {"": "x", "now": "soon"},
        {"jwks": {"keys": 10**30}},
    ],
)
@pytest.mark.parametrize("slug", ["meta", "zoom", "wecom", "ebay", "adobe_sign", "lark"])
def test_a_config_that_makes_no_sense_is_answered_and_not_raised(
    slug: str, config: dict[str, Any]
) -> None:
    for method in ("GET", "POST"):
        asked = {"provider": slug, "method": method, "url": "/?challenge=\ud800", "config": config}
        assert set(verify_line(asked, load_catalogue())) == {"id", "response"}
