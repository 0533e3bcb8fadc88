"""A token's own certificates count only under the pinned root, in order, valid, for the purpose."""

import base64
import datetime as dt
import json
from collections.abc import Sequence

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.verify import Reason, Rejected, Request, Verified, load_catalogue, verify
from ingest.verify.apple_chain import leaf_key
from ingest.verify.key_source import KeySource

FIRST, LAST = dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
NOW = int(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp() * 1_000)
YEAR = 366 * 86_400_000
LEAF, INTERMEDIATE = "1.2.840.113635.100.6.11.1", "1.2.840.113635.100.6.2.1"
Made = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(
    name: str, by: Made | None, *, purpose: str | None, ca: bool, last: dt.datetime = LAST
) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = by[0].subject if by else subject
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), 9, FIRST, last)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if purpose is not None:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(purpose), b"\x05\x00")
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


ROOT = issue("Root", None, purpose=None, ca=True)
MIDDLE = issue("Middle", ROOT, purpose=INTERMEDIATE, ca=True)
END = issue("End", MIDDLE, purpose=LEAF, ca=False)
PIN = ROOT[0].fingerprint(hashes.SHA256()).hex()


def x5c(*chain: Made) -> list[str]:
    return [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each, _ in chain]


def test_the_leaf_of_a_whole_chain_is_the_key() -> None:
    key = leaf_key(x5c(END, MIDDLE, ROOT), PIN, NOW)
    assert key is not None
    assert key.material == END[1].public_key()


FOREIGN = issue("Root", None, purpose=None, ca=True)
FOREIGN_MIDDLE = issue("Middle", FOREIGN, purpose=INTERMEDIATE, ca=True)
FOREIGN_END = issue("End", FOREIGN_MIDDLE, purpose=LEAF, ca=False)
PLAIN_MIDDLE = issue("Middle", ROOT, purpose=INTERMEDIATE, ca=False)
UNNAMED_MIDDLE = issue("Middle", ROOT, purpose=None, ca=True)
BRIEF = issue("End", MIDDLE, purpose=LEAF, ca=False, last=FIRST + dt.timedelta(days=1))


@pytest.mark.parametrize(
    "chain",
    [
        (FOREIGN_END, FOREIGN_MIDDLE, FOREIGN),
        (FOREIGN_END, FOREIGN_MIDDLE, ROOT),
        (FOREIGN_END, MIDDLE, ROOT),
        (END, ROOT, ROOT),
        (MIDDLE, END, ROOT),
        (END, MIDDLE),
        (END, MIDDLE, ROOT, ROOT),
        (issue("End", PLAIN_MIDDLE, purpose=LEAF, ca=False), PLAIN_MIDDLE, ROOT),
        (issue("End", UNNAMED_MIDDLE, purpose=LEAF, ca=False), UNNAMED_MIDDLE, ROOT),
        (issue("End", MIDDLE, purpose=None, ca=False), MIDDLE, ROOT),
        (BRIEF, MIDDLE, ROOT),
    ],
    ids=[
        *("another root", "another chain, our root", "a leaf of another", "no intermediate"),
        *("wrong order", "too short", "too long", "an intermediate that is no authority"),
        *("an intermediate of another purpose", "a leaf of another purpose", "expired"),
    ],
)
def test_any_other_chain_is_no_key(chain: Sequence[Made]) -> None:
    assert leaf_key(x5c(*chain), PIN, NOW) is None


@pytest.mark.parametrize("now", [NOW - 2 * YEAR, NOW + 2 * YEAR])
def test_a_chain_counts_only_while_it_is_valid(now: int) -> None:
    assert leaf_key(x5c(END, MIDDLE, ROOT), PIN, now) is None


def signed_payload(key: ec.EllipticCurvePrivateKey, *chain: Made) -> Request:
    claims = {"notificationType": "DID_RENEW", "subtype": "X", "notificationUUID": "u-1"}
    token = jwt.encode(claims, key, "ES256", headers={"x5c": x5c(*chain)})
    return Request("POST", "/in/apple", (), json.dumps({"signedPayload": token}).encode())


def test_a_notification_is_proven_by_the_chain_that_it_carries() -> None:
    """Apple's root is pinned by its fingerprint; here stands one of our own in its place."""
    apple = load_catalogue()["apple_assn"]
    ours = apple.model_copy(update={"key_source": KeySource(kind="x5c", root_sha256=PIN)})
    genuine = signed_payload(END[1], END, MIDDLE, ROOT)
    verdict = verify(ours, genuine, [], NOW)
    assert isinstance(verdict, Verified)
    assert (verdict.event_type, verdict.event_id) == ("DID_RENEW.X", "u-1")
    assert verdict.id_signed
    for provider, request in (
        (apple, genuine),
        (ours, signed_payload(MIDDLE[1], END, MIDDLE, ROOT)),
        (ours, signed_payload(FOREIGN_END[1], FOREIGN_END, FOREIGN_MIDDLE, FOREIGN)),
    ):
        refused = verify(provider, request, [], NOW)
        assert isinstance(refused, Rejected)
        assert refused.reason is Reason.BAD_SIGNATURE


@given(st.one_of(st.none(), st.text(), st.lists(st.text() | st.integers() | st.none())))
def test_noise_is_no_chain(noise: object) -> None:
    assert leaf_key(noise, PIN, NOW) is None


@example(0, 11, 1)  # the version: an error of a class of its own
@given(st.integers(0, 2), st.integers(min_value=0), st.integers(1, 255))
def test_a_chain_with_any_byte_changed_is_no_chain(which: int, place: int, bits: int) -> None:
    chain = x5c(END, MIDDLE, ROOT)
    data = bytearray(base64.b64decode(chain[which]))
    data[place % len(data)] ^= bits
    chain[which] = base64.b64encode(bytes(data)).decode()
    assert leaf_key(chain, PIN, NOW) is None
