"""Answers to the requests that check an address."""

import json

import pytest

from ingest.handshake import answer, methods
from ingest.verify import Request, Secret, load_catalogue
from tests.unit.verify.genuine import NOW, OTHER_SECRET, SECRET, SENDERS

SLACK = load_catalogue()["slack"]
BODY = (
    b'{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl",'
    b'"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}'
)


def _signed(body: bytes = BODY, secret: bytes = SECRET) -> Request:
    return SENDERS["slack"].request(secret, body)


def test_a_signed_challenge_is_echoed_as_json() -> None:
    response = answer(SLACK, _signed(), {}, [Secret("env:S", SECRET)], NOW)
    assert response is not None
    assert response.status == 200
    assert dict(response.headers) == {
        "content-type": "application/json",
        "x-content-type-options": "nosniff",
    }
    assert json.loads(response.body) == {"challenge": json.loads(BODY)["challenge"]}


@pytest.mark.parametrize(
    "secrets",
    [
        [Secret("env:S", OTHER_SECRET)],
        [Secret("env:S", b"")],
        [Secret("env:S", SECRET, expires_at=NOW)],
    ],
)
def test_with_a_secret_configured_an_unproved_challenge_is_not_answered(
    secrets: list[Secret],
) -> None:
    """None: the receiver goes on to verify it as an event, and so refuses it with a reason."""
    assert answer(SLACK, _signed(), {}, secrets, NOW) is None


def test_a_stale_challenge_is_not_answered() -> None:
    assert answer(SLACK, _signed(), {}, [Secret("s", SECRET)], NOW + 301_000) is None


def test_with_no_secret_there_is_nothing_to_hold_it_against() -> None:
    response = answer(SLACK, Request("POST", "/", (), BODY), {}, [], NOW)
    assert response is not None
    assert b"challenge" in response.body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"url_verification",
        b'["url_verification"]',
        b'{"type":"event_callback","text":"url_verification","challenge":"c"}',
        b'{"type":"url_verification"}',
        b'{"type":"url_verification","challenge":""}',
        b'{"type":"url_verification","challenge":17}',
        b'{"type":"url_verification","challenge":"' + b"c" * 1_025 + b'"}',
        b'{"type":"url_verification","challenge":"\xff"}',
    ],
)
def test_another_body_is_no_handshake(body: bytes) -> None:
    assert answer(SLACK, Request("POST", "/", (), body), {}, [], NOW) is None


@pytest.mark.parametrize("slug", sorted(set(load_catalogue()) - {"slack"}))
def test_other_providers_have_no_handshake(slug: str) -> None:
    provider = load_catalogue()[slug]
    assert answer(provider, Request("POST", "/", (), BODY), {}, [], NOW) is None
    assert methods(provider) == {"POST"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_slack_shakes_hands_by_post_only(method: str) -> None:
    assert answer(SLACK, Request(method, "/", (), BODY), {}, [], NOW) is None
    assert methods(SLACK) == {"POST"}
