"""A public key is read in every form it is published in, and nothing else is taken for one."""

import base64
import datetime as dt
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from ingest.verify.public_keys import KeyFormat, read_public_keys

EDWARDS = Ed25519PrivateKey.generate()
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65_537, 2_048)
SPKI = PublicFormat.SubjectPublicKeyInfo
ALL: list[Any] = [EDWARDS, ELLIPTIC, RSA]
FORMATS: list[KeyFormat] = ["pem", "spki", "hex", "base64", "base64url", "whpk", "jwk", "jwks"]


def pem(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, SPKI)
    return made


def der(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(Encoding.DER, SPKI)
    return made


def jwk(key: Any, **more: object) -> dict[str, Any]:
    kind: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    if isinstance(key, Ed25519PrivateKey):
        kind = OKPAlgorithm
    made: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, **more}


def materials(key_format: KeyFormat, text: bytes) -> list[object]:
    return [key.material for key in read_public_keys(key_format, text)]


@pytest.mark.parametrize("key", ALL, ids=["Ed25519", "ECDSA", "RSA"])
def test_every_form_of_a_key_is_the_same_key(key: Any) -> None:
    public = key.public_key()
    one_line = pem(key).replace(b"\n", b"")  # as eBay's API gives it
    spelled_out = pem(key).replace(b"\n", b"\\n")  # as environment variables hold it
    for text in (pem(key), pem(key).replace(b"\n", b"\r\n"), one_line, spelled_out):
        assert materials("pem", text) == [public]
        assert materials("spki", text) == [public], "PEM says what it is"
    assert materials("spki", base64.b64encode(der(key))) == [public]
    assert materials("hex", der(key).hex().encode()) == [public]
    assert materials("jwk", json.dumps(jwk(key)).encode()) == [public]


def test_the_32_bytes_of_an_ed25519_key_are_read_in_every_encoding() -> None:
    raw = EDWARDS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    public = [EDWARDS.public_key()]
    assert materials("hex", raw.hex().encode()) == public
    assert materials("hex", raw.hex().upper().encode()) == public
    assert materials("base64", base64.b64encode(raw)) == public
    assert materials("base64url", base64.urlsafe_b64encode(raw).rstrip(b"=")) == public
    assert materials("whpk", b"whpk_" + base64.b64encode(raw)) == public


def test_a_set_of_keys_gives_each_with_its_id_and_leaves_out_what_signs_nothing() -> None:
    document = {
        "keys": [
            jwk(RSA, kid="one", use="sig", alg="RS256"),
            jwk(RSA, kid="encrypts", use="enc"),
            jwk(RSA, kid="wraps", key_ops=["wrapKey"]),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off the curve"},
            {"kty": "XYZ"},
            "no object",
            jwk(ELLIPTIC, kid="two", key_ops=["verify"]),
        ]
    }
    keys = read_public_keys("jwks", json.dumps(document).encode())
    assert [(key.key_id, key.algorithm) for key in keys] == [("one", "RS256"), ("two", None)]


def test_coordinates_without_their_leading_zeros_are_read() -> None:
    """TrueLayer publishes such a key: 65 bytes for P-521, whose coordinates have 66."""
    while True:
        key = ec.generate_private_key(ec.SECP521R1())
        numbers = key.public_key().public_numbers()
        if numbers.x.bit_length() <= 512 or numbers.x >> 520 == 0:
            break
    short = base64.urlsafe_b64encode(numbers.x.to_bytes(66, "big").lstrip(b"\0")).rstrip(b"=")
    text = json.dumps({**jwk(key), "x": short.decode()}).encode()
    assert materials("jwk", text) == [key.public_key()]


@pytest.mark.parametrize("key", ALL, ids=["Ed25519", "ECDSA", "RSA"])
def test_a_private_key_is_never_taken(key: Any) -> None:
    """Who can read the configuration could sign; and it is no public key, so a mistake."""
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for key_format in FORMATS:
        assert read_public_keys(key_format, secret) == ()
        assert read_public_keys(key_format, pem(key) + secret) == ()
    assert read_public_keys("jwk", json.dumps({**jwk(key), "d": "AAAA"}).encode()) == ()


def test_keys_of_unsafe_kinds_and_sizes_are_not_taken() -> None:
    small = base64.b64decode(  # 512 bits, which anybody can factor
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu"
        "KUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
    )
    others: list[Any] = [
        ec.generate_private_key(ec.SECP224R1()),
        dsa.generate_private_key(2_048),
        x25519.X25519PrivateKey.generate(),
    ]
    for data in (small, *(der(key) for key in others)):
        assert read_public_keys("spki", base64.b64encode(data)) == ()


def certificate(key: Any, first: dt.datetime, last: dt.datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, first, last)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_certificate_of_a_version_that_there_is_not_gives_none() -> None:
    """cryptography raises an error of a class of its own; a document may be anything."""
    first, last = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    der = x509.load_pem_x509_certificate(certificate(RSA, first, last)).public_bytes(Encoding.DER)
    version = der.index(b"\xa0\x03\x02\x01\x02") + 4
    text = base64.encodebytes(der[:version] + b"\x03" + der[version + 1 :])
    pem = b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"
    assert read_public_keys("pem", pem) == ()


def test_a_certificate_gives_its_key_for_as_long_as_it_is_valid() -> None:
    first, last = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2025, 2026))
    chain = certificate(RSA, first, last) + certificate(ELLIPTIC, first, last)
    (key,) = read_public_keys("pem", chain)
    assert key.material == RSA.public_key(), "the first one signs, the others certify it"
    start, end = (int(moment.timestamp() * 1_000) for moment in (first, last))
    assert [key.valid_at(now) for now in (start - 1, start, end, end + 1, None)] == [
        *(False, True, True, False, True),
    ]


@given(st.sampled_from(FORMATS), st.binary(max_size=200))
def test_noise_is_no_key_and_never_an_error(key_format: KeyFormat, noise: bytes) -> None:
    for text in (noise, b"-----BEGIN " + noise, b"{" + noise, b'{"keys":' + noise + b"}"):
        for key in read_public_keys(key_format, text):
            assert isinstance(key.key_id, str | None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(
    st.sampled_from(ALL),
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops"]),
        json_values,
        max_size=4,
    ),
)
def test_a_json_web_key_with_any_member_changed_is_another_key_or_none(
    key: Any, changes: dict[str, Any]
) -> None:
    for read in read_public_keys("jwk", json.dumps({**jwk(key), **changes}).encode()):
        assert isinstance(read.key_id, str | None)
