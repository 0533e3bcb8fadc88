"""Tokens as PyJWT makes them, by every algorithm; and nothing that only looks like one."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ingest.verify.web_tokens import PAIRED, SHARED, Token, parse_token

SECRET = b"a shared secret of sixty-four bytes, which is enough for HS512..."
RSA = rsa.generate_private_key(65_537, 2_048)
KEYS: dict[str, Any] = {
    **dict.fromkeys(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], RSA),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": Ed25519PrivateKey.generate(),
}
CLAIMS = {"iss": "sender", "iat": 1_760_000_000}


def parsed(text: str) -> Token:
    token = parse_token(text)
    assert token is not None
    return token


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: object, payload: bytes = b"{}", signature: bytes = b"x") -> str:
    return ".".join(encoded(part) for part in (json.dumps(header).encode(), payload, signature))


def holds(token: Token) -> bool:
    signed = token.signed()
    if token.algorithm in SHARED:
        return token.proven_by_secret(SECRET, signed)
    return token.proven_by_key(KEYS[token.algorithm].public_key(), signed)


@pytest.mark.parametrize("algorithm", [*SHARED, *KEYS])
def test_a_token_of_every_algorithm_is_proven_by_its_key_alone(algorithm: str) -> None:
    key = SECRET if algorithm in SHARED else KEYS[algorithm]
    token = parsed(jwt.encode(CLAIMS, key, algorithm, headers={"kid": "k1"}))
    assert (token.algorithm, token.key_id, token.claims()) == (algorithm, "k1", CLAIMS)
    assert holds(token)
    assert not token.proven_by_secret(b"another", token.signed())
    for other, another in KEYS.items():
        proven = token.proven_by_key(another.public_key(), token.signed())
        assert proven is (algorithm not in SHARED and KEYS[algorithm] is another), other


def test_the_list_of_algorithms_is_the_one_that_is_tested() -> None:
    assert set(PAIRED) == {*KEYS, "Ed25519"}


def test_a_public_key_is_no_shared_secret() -> None:
    """The oldest confusion: HS256 with the text of the RSA key that everybody can read."""
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = forged({"alg": "HS256"}).rsplit(".", 1)[0]
    mac = hmac.digest(pem, head.encode(), hashlib.sha256)
    token = parsed(f"{head}.{encoded(mac)}")
    assert not token.proven_by_key(RSA.public_key(), token.signed())


def test_a_curve_belongs_to_its_algorithm() -> None:
    """ES256 over P-384 or secp256k1 is no ES256 (RFC 7518 §3.4)."""
    for curve in (ec.SECP384R1(), ec.SECP256K1()):
        assert not PAIRED["ES256"].fits(ec.generate_private_key(curve).public_key())


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"alg": None},
        {"alg": 7},
        {"alg": "HS256", "kid": 7},
        {"alg": "HS256", "crit": ["exp"], "exp": 1},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "crit": "b64", "b64": False},
        {"alg": "HS256", "b64": False},
        {"alg": "HS256", "crit": ["b64"], "b64": False},
        {"alg": "HS256", "crit": ["b64"], "b64": "false"},
        {"alg": "HS256", "crit": ["b64", "x"], "b64": True, "x": 1},
        [],
        "alg",
    ],
    ids=str,
)
def test_a_header_that_is_not_understood_makes_no_token(header: object) -> None:
    """Also b64=false with the payload inside: such a payload would be read in two ways."""
    assert parse_token(forged(header)) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS257", "RS1", "hs256"])
def test_an_unknown_algorithm_proves_nothing(algorithm: str) -> None:
    token = parsed(forged({"alg": algorithm}))
    assert not token.proven_by_secret(SECRET, token.signed())
    assert not token.proven_by_key(RSA.public_key(), token.signed())
    assert parse_token(forged({"alg": algorithm}, signature=b"")) is None


def test_a_token_has_one_spelling() -> None:
    text = jwt.encode(CLAIMS, SECRET, "HS256")
    head, payload, signature = text.split(".")
    for other in (
        *(f"{text}=", f"{text}.", f".{text}", f" {text}", f"{text}\n", f"{head}.{payload}"),
        f"{head}.{payload}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",  # stray bits of base64
        f"{head}+.{payload}.{signature}",
        f"{head}.{payload}.{signature}é",
    ):
        token = parse_token(other)
        assert token is None or not holds(token), other


def test_a_detached_payload_is_signed_encoded_or_as_it_is() -> None:
    """RFC 7515 Appendix F (TrueLayer, Fireblocks) and RFC 7797 (Saleor, Constant Contact)."""
    body = b'{"a":"\xc3\xa9 ."}'
    whole = jwt.api_jws.encode(body, SECRET, "HS256")
    head, _, signature = whole.split(".")
    token = parsed(f"{head}..{signature}")
    assert token.proven_by_secret(SECRET, token.signed(body))
    assert not token.proven_by_secret(SECRET, token.signed(body + b" "))
    bare = parsed(jwt.api_jws.encode(body, SECRET, "HS256", is_payload_detached=True))
    assert bare.header["b64"] is False
    assert bare.proven_by_secret(SECRET, bare.signed(body))
    assert not bare.proven_by_secret(SECRET, bare.signed(b" " + body))
    assert token.signed(body) != bare.signed(body)


def test_what_a_token_says_of_its_own_key_is_not_listened_to() -> None:
    attacker = rsa.generate_private_key(65_537, 2_048)
    own = jwt.algorithms.RSAAlgorithm.to_jwk(attacker.public_key(), as_dict=True)
    headers = {"jwk": own, "jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}
    token = parsed(jwt.encode(CLAIMS, attacker, "RS256", headers=headers))
    assert not token.proven_by_key(RSA.public_key(), token.signed())


@given(st.sampled_from([*SHARED, *KEYS]), st.integers(min_value=0), st.integers(1, 127))
def test_a_token_with_any_character_changed_proves_nothing(
    algorithm: str, place: int, bits: int
) -> None:
    key = SECRET if algorithm in SHARED else KEYS[algorithm]
    text = jwt.encode(CLAIMS, key, algorithm)
    spot = place % len(text)
    changed = text[:spot] + chr(ord(text[spot]) ^ bits) + text[spot + 1 :]
    token = parse_token(changed)
    if token is not None and token.algorithm == algorithm:
        assert not holds(token)


@given(st.text() | st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_noise_makes_no_token_and_no_error(noise: str | list[bytes]) -> None:
    text = noise if isinstance(noise, str) else ".".join(encoded(part) for part in noise)
    token = parse_token(text)
    assert token is None or not token.proven_by_secret(SECRET, token.signed())
