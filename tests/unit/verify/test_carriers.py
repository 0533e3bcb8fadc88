"""How a request carries its signature: each carrier, with a genuine one and some that are not."""

import hashlib
import hmac
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
    verify,
)

BODY, KEY, NOW = b'{"id":"e1"}', b"top", 1_760_000_000_000
SECONDS = str(NOW // 1_000)


def signed(content: bytes = BODY, key: bytes = KEY, algorithm: str = "sha256") -> str:
    return hmac.new(key, content, algorithm).hexdigest()


def judged(
    provider: Provider, *headers: tuple[str, str], url: str = "/", body: bytes = BODY
) -> Verified | Rejected:
    secrets = [Secret("first", KEY), Secret("second", b"other")]
    return verify(provider, Request("POST", url, headers, body), secrets, NOW)


def provider(**words: Any) -> Provider:
    named = {} if "signature" in words else {"header": "X-Sig"}
    return custom_provider("acme", {"family": "hmac", **named, **words})


STAMPED = signed(f"{SECONDS}.".encode() + BODY)
PAIRS = provider(
    carrier="pairs", signature_key=["v1", "v2"], timestamp="signature:t", content="{ts}.{body}"
)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (provider(carrier="list", prefix="v1="), f"v1=00, v1={signed()}"),
        (PAIRS, f"t={SECONDS}, v1={STAMPED}"),
        (PAIRS, f"t={SECONDS},v1=00,v2={STAMPED}"),
        (
            provider(
                carrier="pairs",
                set_separator=" ",
                signature_key="v1",
                timestamp="signature:t",
                content="{ts}.{body}",
            ),
            f"t={SECONDS},v1={'0' * 64} t={SECONDS},v1={STAMPED}",
        ),
        (
            provider(carrier="positional", timestamp="signature:0", content="{ts}.{body}"),
            f"{SECONDS},{'0' * 64},{STAMPED}",
        ),
        (provider(carrier="pairs", assignment=":", signature_key="s0"), f"t:1,s0:{signed()}"),
        (provider(optional_prefix="sha256="), signed()),
        (provider(optional_prefix="sha256="), f"sha256={signed()}"),
        (provider(encoding="hex_any"), signed().upper()),
        (provider(secret_suffix="&"), signed(key=KEY + b"&")),
        (provider(secret_format="sha1"), signed(key=hashlib.sha1(KEY).digest())),
    ],
)
def test_a_genuine_signature_is_found_and_a_changed_body_refused(
    entry: Provider, value: str
) -> None:
    assert isinstance(judged(entry, ("X-Sig", value)), Verified)
    refused = judged(entry, ("X-Sig", value), body=BODY + b" ")
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.BAD_SIGNATURE


def test_a_signature_may_stand_in_the_query_or_the_body() -> None:
    entry = provider(signature="query:sig")
    assert isinstance(judged(entry, url=f"/in/a?sig={signed()}"), Verified)
    assert judged(entry).reason is Reason.MISSING_SIGNATURE  # type: ignore[union-attr]  # a Rejected, or the next line fails
    assert isinstance(judged(entry, url=f"/in/a?sig={signed()}&sig=00"), Rejected)


def test_every_numbered_header_counts_and_no_other() -> None:
    entry = custom_provider("docusign", {"family": "hmac", "header": "X-DocuSign-Signature-*"})
    assert isinstance(judged(entry, ("X-DocuSign-Signature-2", signed())), Verified)
    for name in ("X-DocuSign-Signature-", "X-DocuSign-Signature-x", "X-DocuSign-Signature-0"):
        assert isinstance(judged(entry, (name, signed())), Rejected)


def test_a_header_of_one_secret_does_not_serve_another() -> None:
    entry = provider(header=["X-One", "X-Two"], header_per_secret=True)
    assert isinstance(judged(entry, ("X-One", signed())), Verified)
    assert isinstance(judged(entry, ("X-Two", signed(key=b"other"))), Verified)
    assert isinstance(judged(entry, ("X-Two", signed())), Rejected)


def test_a_request_chooses_among_the_listed_algorithms_only() -> None:
    entry = provider(algorithms={"A1": "sha1", "A5": "sha512"}, algorithm_place="header:X-Alg")
    for name, algorithm in (("A1", "sha1"), ("A5", "sha512")):
        genuine = ("X-Sig", signed(algorithm=algorithm)), ("X-Alg", name)
        assert isinstance(judged(entry, *genuine), Verified)
    assert isinstance(judged(entry, ("X-Sig", signed()), ("X-Alg", "sha256")), Rejected)
    assert isinstance(judged(entry, ("X-Sig", signed(algorithm="sha1"))), Rejected)


def test_two_timestamps_that_differ_are_refused_rather_than_chosen_from() -> None:
    refused = judged(PAIRS, ("X-Sig", f"t=1,t={SECONDS},v1={STAMPED}"))
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.MALFORMED_SIGNATURE


def test_a_plain_digest_has_the_secret_inside() -> None:
    entry = custom_provider(
        "old",
        {"family": "hash", "header": "X-Sig", "content": "{body}{secret}", "algorithm": "md5"},
    )
    value = hashlib.md5(BODY + KEY, usedforsecurity=False).hexdigest()
    assert isinstance(judged(entry, ("X-Sig", value)), Verified)
    assert isinstance(judged(entry, ("X-Sig", hashlib.md5(BODY).hexdigest())), Rejected)


def test_an_event_of_a_signature_that_leaves_out_the_body_is_marked() -> None:
    entry = provider(
        content="{header:X-Id}",
        covers_body=False,
        event_id="header:X-Id",
        event_type="body:id",
    )
    verdict = judged(entry, ("X-Sig", signed(b"n1")), ("X-Id", "n1"))
    assert isinstance(verdict, Verified)
    assert (verdict.id_signed, verdict.type_signed) == (True, False)
