"""Fixed tokens, HTTP Basic, and no proof at all."""

import base64
from typing import Any

import pytest

from ingest.verify import (
    Provider,
    Reason,
    Rejected,
    Request,
    Secret,
    Verified,
    custom_provider,
    load_catalogue,
    verify,
)
from tests.unit.verify.our_signing import sign_body

TOKEN = custom_provider("gitlab", {"family": "token", "header": "X-Gitlab-Token"})
BEARER = custom_provider(
    "bearer", {"family": "token", "header": "Authorization", "prefix": "Bearer "}
)
QUERY = custom_provider("mailchimp", {"family": "token", "signature": "query:secret"})
BASIC = custom_provider("postmark", {"family": "basic"})


def _verify(
    provider: Provider, *headers: tuple[str, str], secret: bytes, url: str = "/in/a"
) -> Verified | Reason:
    request = Request("POST", url, headers, b"{}")
    verdict = verify(provider, request, [Secret("env:S", secret)], 0)
    return verdict.reason if isinstance(verdict, Rejected) else verdict


def _basic(credentials: str) -> tuple[str, str]:
    return ("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())


@pytest.mark.parametrize(
    ("provider", "header", "secret"),
    [
        (TOKEN, ("x-gitlab-token", "s3cret"), b"s3cret"),
        (TOKEN, ("X-Gitlab-Token", "sécret"), "sécret".encode("latin-1")),
        (BEARER, ("Authorization", "Bearer s3cret"), b"s3cret"),
        (BASIC, _basic("user:pass:with:colons"), b"user:pass:with:colons"),
        (BASIC, ("Authorization", _basic("u:p")[1].replace("Basic", "basic")), b"u:p"),
    ],
)
def test_the_right_credential_is_accepted(
    provider: Provider, header: tuple[str, str], secret: bytes
) -> None:
    verdict = _verify(provider, header, secret=secret)
    assert isinstance(verdict, Verified)
    assert not verdict.id_signed
    assert not verdict.type_signed


@pytest.mark.parametrize(
    ("provider", "headers", "secret", "reason"),
    [
        (TOKEN, [], b"s3cret", Reason.MISSING_SIGNATURE),
        (TOKEN, [("X-Gitlab-Token", "")], b"s3cret", Reason.MISSING_SIGNATURE),
        (TOKEN, [("X-Gitlab-Token", "s3cre")], b"s3cret", Reason.BAD_SIGNATURE),
        (TOKEN, [("X-Gitlab-Token", "s3cret ")], b"s3cret", Reason.BAD_SIGNATURE),
        (TOKEN, [("X-Gitlab-Token", "\N{SNOWMAN}")], b"s3cret", Reason.BAD_SIGNATURE),
        (TOKEN, [("X-Gitlab-Token", "s3cret")], b"", Reason.NO_SECRET),
        (
            TOKEN,
            [("X-Gitlab-Token", "s3cret"), ("X-Gitlab-Token", "x")],
            b"s3cret",
            Reason.MALFORMED_SIGNATURE,
        ),
        (BEARER, [("Authorization", "s3cret")], b"s3cret", Reason.MALFORMED_SIGNATURE),
        (BEARER, [("Authorization", "Bearer ")], b"s3cret", Reason.BAD_SIGNATURE),
        (BASIC, [_basic("user:Pass")], b"user:pass", Reason.BAD_SIGNATURE),
        (BASIC, [("Authorization", "Bearer dTpw")], b"u:p", Reason.MALFORMED_SIGNATURE),
        (BASIC, [("Authorization", "Basic")], b"u:p", Reason.BAD_SIGNATURE),
        (BASIC, [_basic(":")], b":", Reason.NO_SECRET),
        (BASIC, [_basic("user:")], b"user:", Reason.NO_SECRET),
    ],
)
def test_any_other_credential_is_rejected(
    provider: Provider, headers: list[tuple[str, str]], secret: bytes, reason: Reason
) -> None:
    assert _verify(provider, *headers, secret=secret) is reason


def test_a_token_in_the_url_is_compared_as_decoded() -> None:
    found = _verify(QUERY, secret=b"s cret", url="/in/a?x=1&secret=s%20cret")
    assert isinstance(found, Verified)
    assert _verify(QUERY, secret=b"s cret", url="/in/a?secret=other") is Reason.BAD_SIGNATURE
    assert _verify(QUERY, secret=b"s cret", url="/in/a") is Reason.MISSING_SIGNATURE
    twice = "/in/a?secret=s%20cret&secret=other"
    assert _verify(QUERY, secret=b"s cret", url=twice) is Reason.MISSING_SIGNATURE


def test_an_expired_token_is_told_apart() -> None:
    request = Request("POST", "/", (("X-Gitlab-Token", "old"),), b"")
    secrets = [Secret("env:NEW", b"new"), Secret("env:OLD", b"old", expires_at=5)]
    assert isinstance(verify(TOKEN, request, secrets, 4), Verified)
    verdict = verify(TOKEN, request, secrets, 5)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.EXPIRED_SECRET
    assert "env:OLD" in verdict.detail


def test_only_an_entry_that_says_so_accepts_without_proof() -> None:
    request = Request("POST", "/", (), b"{}")
    catalogue = load_catalogue()
    unproved: dict[str, Any] = {
        slug: verify(provider, request, [], 0) for slug, provider in catalogue.items()
    }
    accepted = {slug for slug, verdict in unproved.items() if isinstance(verdict, Verified)}
    assert accepted == {slug for slug, entry in catalogue.items() if entry.family == "none"}


@pytest.mark.parametrize("provider", [TOKEN, BEARER, BASIC])
def test_send_makes_the_credential_that_we_accept(provider: Provider) -> None:
    headers = tuple(sign_body(provider, b"{}", b"user:pass", 0))
    request = Request("POST", "/", headers, b"{}")
    assert isinstance(verify(provider, request, [Secret("s", b"user:pass")], 0), Verified)
