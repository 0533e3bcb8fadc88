"""What the specification has beside HMAC: several signatures, public keys, other header names."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.verify import Reason, Rejected, Request, Secret, Verified, load_catalogue, verify
from tests.unit.verify.genuine import BODY, NOW, OTHER_SECRET, SECRET, SENDERS, with_header

PROVIDER = load_catalogue()["standardwebhooks"]
SENDER = SENDERS["standardwebhooks"]
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = b"whpk_" + base64.b64encode(PRIVATE_KEY.public_key().public_bytes_raw())
OTHER_PUBLIC_KEY = b"whpk_" + base64.b64encode(
    Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
)


def _asymmetric(body: bytes = BODY) -> str:
    content = f"msg_1.{NOW // 1000}.".encode() + body
    return "v1a," + base64.b64encode(PRIVATE_KEY.sign(content)).decode()


def _request(signature: str) -> Request:
    return with_header(SENDER.request(), "webhook-signature", lambda _: signature)


def _verify(request: Request, *secrets: bytes) -> Verified | Reason:
    known = [Secret(f"env:{number}", secret) for number, secret in enumerate(secrets)]
    verdict = verify(PROVIDER, request, known, NOW)
    return verdict.reason if isinstance(verdict, Rejected) else verdict


def _symmetric(secret: bytes = SECRET) -> str:
    value = SENDER.request(secret).header("webhook-signature")
    assert value is not None
    return value


def test_a_public_key_verifies_an_asymmetric_signature() -> None:
    found = _verify(_request(_asymmetric()), OTHER_PUBLIC_KEY, PUBLIC_KEY)
    assert isinstance(found, Verified)
    assert found.secret_name == "env:1"


def test_an_asymmetric_signature_of_another_body_or_key_is_rejected() -> None:
    assert _verify(_request(_asymmetric(b"{}")), PUBLIC_KEY) is Reason.BAD_SIGNATURE
    assert _verify(_request(_asymmetric()), OTHER_PUBLIC_KEY) is Reason.BAD_SIGNATURE


def test_each_kind_of_secret_judges_only_signatures_of_its_kind() -> None:
    """Algorithm confusion: a public key as HMAC secret would let anyone sign."""
    forged = _symmetric(b"whsec_" + PUBLIC_KEY.removeprefix(b"whpk_"))
    assert _verify(_request(forged), PUBLIC_KEY) is Reason.BAD_SIGNATURE
    relabelled = _asymmetric().replace("v1a,", "v1,")
    assert _verify(_request(relabelled), PUBLIC_KEY) is Reason.MALFORMED_SIGNATURE
    assert _verify(_request(_asymmetric()), SECRET) is Reason.BAD_SIGNATURE


def test_only_the_canonical_spelling_of_an_asymmetric_signature_counts() -> None:
    """Base64 of 64 bytes leaves four bits over; setting them must not make a second spelling."""
    signature = _asymmetric()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet.index(signature[-3])
    respelled = signature[:-3] + alphabet[last + 1] + "=="
    for text in (respelled, signature.rstrip("="), signature[:-4]):
        assert _verify(_request(text), PUBLIC_KEY) is Reason.MALFORMED_SIGNATURE


def test_both_kinds_may_stand_in_one_header() -> None:
    request = _request(f"{_asymmetric()} {_symmetric(OTHER_SECRET)} {_symmetric()}")
    for secret in (SECRET, OTHER_SECRET, PUBLIC_KEY):
        assert isinstance(_verify(request, secret), Verified)


def test_a_public_key_of_wrong_length_is_no_secret() -> None:
    short = b"whpk_" + base64.b64encode(bytes(31))
    assert _verify(_request(_asymmetric()), short) is Reason.NO_SECRET


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp"])
def test_what_is_signed_must_be_there(missing: str) -> None:
    request = with_header(SENDER.request(), missing, None)
    assert _verify(request, SECRET) is Reason.MISSING_SIGNED_HEADER


def test_a_signed_header_that_came_with_two_values_is_as_good_as_none() -> None:
    """The next reader of the event may take the other value."""
    request = SENDER.request()
    twice = replace(request, headers=(("webhook-id", "msg_2"), *request.headers))
    assert _verify(twice, SECRET) is Reason.MISSING_SIGNED_HEADER


def test_a_header_stuffed_with_signatures_is_refused_unread() -> None:
    stuffed = " ".join([_symmetric(OTHER_SECRET)] * 101)
    assert _verify(_request(stuffed), SECRET) is Reason.MALFORMED_SIGNATURE


def test_both_header_families_are_known_to_both_entries() -> None:
    for entry in ("standardwebhooks", "svix"):
        for name in ("standardwebhooks", "svix"):
            request = SENDERS[name].request()
            verdict = verify(SENDERS[entry].provider, request, [Secret("s", SECRET)], NOW)
            assert isinstance(verdict, Verified)
