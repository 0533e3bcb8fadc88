r"""Reads public keys in every form that providers publish them in. Strict, pure, never raises.

PEM (``PUBLIC KEY``, ``RSA PUBLIC KEY``, ``CERTIFICATE``; also on one line, as eBay sends it, and
with ``\n`` spelled out, as environment variables hold it), SPKI or 32 bytes of Ed25519 in hex,
base64 or base64url, JSON Web Keys and sets of them (RFC 7517). A private or a shared key is never
read: whoever can see a "public" key in a configuration could sign with it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal

import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.utils import CryptographyDeprecationWarning

from ingest.verify.keys import PUBLIC_KEY_PREFIX, decode_base64

KeyFormat = Literal["pem", "spki", "hex", "base64", "base64url", "whpk", "jwk", "jwks"]
Material = Ed25519PublicKey | ec.EllipticCurvePublicKey | RSAPublicKey

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_BLANKS: Final = re.compile(rb"\s+|\\n|\\r")
_ED25519_BYTES: Final = 32
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}
_CURVE_NAMES: Final = frozenset(curve.name for curve in _CURVES.values())
#: Old DKIM keys, which Postal signs with, have 1024; less can be factored by anyone.
_FEWEST_RSA_BITS: Final = 1_024
_MOST_RSA_BITS: Final = 16_384
_MOST_KEYS: Final = 100  # of one set; Google's has three, Fireblocks' a dozen
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_READING_ERRORS: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion),
    CryptographyDeprecationWarning,  # a serial number below one, where warnings are errors
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key: what it verifies with, its id and algorithm where a set names them.

    ``valid_from`` and ``valid_until`` are a certificate's, in ms; None for a bare key.
    """

    material: Material
    key_id: str | None = None
    algorithm: str | None = None
    valid_from: int | None = None
    valid_until: int | None = None

    def valid_at(self, now: int | None) -> bool:
        """Whether the certificate's period holds ``now`` (ms); without a clock it counts as so."""
        if now is None or self.valid_from is None or self.valid_until is None:
            return True
        return self.valid_from <= now <= self.valid_until


@lru_cache(maxsize=1_024)
def read_public_keys(key_format: KeyFormat, text: bytes) -> tuple[PublicKey, ...]:
    """Every key in the text; () where it is of no form known, or holds a private key.

    PEM and JSON tell what they are; ``key_format`` says how anything else is encoded.
    """
    stripped = text.strip()
    if stripped.startswith(b"-----BEGIN "):
        return _read_pem(stripped)
    if stripped.startswith(b"{"):
        return _read_json(stripped)
    decoder = _DECODERS.get(key_format)
    data = decoder(stripped) if decoder else None
    found = _read_bytes(data) if data else None
    return (found,) if found else ()


def _read_pem(text: bytes) -> tuple[PublicKey, ...]:
    blocks = [(label, _BLANKS.sub(b"", data)) for label, data in _PEM.findall(text)]
    if any(b"PRIVATE" in label for label, _ in blocks):
        return ()
    if blocks and blocks[0][0] == b"CERTIFICATE":
        # The rest of a chain certifies the first one and signs no webhook.
        found = _read_certificate(decode_base64(blocks[0][1]) or b"")
        return (found,) if found else ()
    read = [
        _read_bytes(decode_base64(data) or b"") for label, data in blocks if b"PUBLIC KEY" in label
    ]
    return tuple(key for key in read if key is not None)


def _read_certificate(data: bytes) -> PublicKey | None:
    try:
        certificate = x509.load_der_x509_certificate(data)
        return replace(
            accepted(certificate.public_key()),
            valid_from=int(certificate.not_valid_before_utc.timestamp() * 1_000),
            valid_until=int(certificate.not_valid_after_utc.timestamp() * 1_000),
        )
    except _READING_ERRORS:
        return None


def _read_bytes(data: bytes) -> PublicKey | None:
    try:
        if len(data) == _ED25519_BYTES:
            return PublicKey(Ed25519PublicKey.from_public_bytes(data))
        return accepted(load_der_public_key(data))
    except _READING_ERRORS:
        return None


def accepted(material: object) -> PublicKey:
    """Take a key; raise ValueError for a kind, a curve or a size that nobody should sign with."""
    match material:
        case Ed25519PublicKey():
            return PublicKey(material)
        case ec.EllipticCurvePublicKey() if material.curve.name in _CURVE_NAMES:
            return PublicKey(material)
        case RSAPublicKey() if _FEWEST_RSA_BITS <= material.key_size <= _MOST_RSA_BITS:
            return PublicKey(material)
        case _:
            raise ValueError("a key of another kind, on another curve or of an unsafe size")


def _read_json(text: bytes) -> tuple[PublicKey, ...]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ()
    listed = document.get("keys", [document])
    if not isinstance(listed, list):
        return ()
    read = [_read_jwk(each) for each in listed[:_MOST_KEYS] if isinstance(each, dict)]
    return tuple(key for key in read if key is not None)


def _read_jwk(jwk: Mapping[str, Any]) -> PublicKey | None:
    reader = _KINDS.get(str(jwk.get("kty")))
    if reader is None or _PRIVATE_MEMBERS & jwk.keys() or not _may_verify(jwk):
        return None
    try:
        key = accepted(reader(jwk))
    except _READING_ERRORS:
        return None
    return replace(key, key_id=_text(jwk.get("kid")), algorithm=_text(jwk.get("alg")))


def _may_verify(jwk: Mapping[str, Any]) -> bool:
    """RFC 7517 §4.2, §4.3: a key may be published for encryption only."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    )


def _rsa(jwk: Mapping[str, Any]) -> Material:
    return RSAPublicNumbers(e=_number(jwk, "e"), n=_number(jwk, "n")).public_key()


def _elliptic(jwk: Mapping[str, Any]) -> Material:
    curve = _CURVES.get(str(jwk.get("crv")))
    if curve is None:
        raise ValueError("an unknown curve")
    # Numbers, not bytes: TrueLayer's own set drops the leading zeros of a coordinate.
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), curve)
    return numbers.public_key()


def _edwards(jwk: Mapping[str, Any]) -> Material:
    if jwk.get("crv") != "Ed25519":
        raise ValueError("an unknown curve")
    return Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))


def _number(jwk: Mapping[str, Any], member: str) -> int:
    return int.from_bytes(_octets(jwk, member), "big")


def _octets(jwk: Mapping[str, Any], member: str) -> bytes:
    value = jwk.get(member)
    octets = decode_base64(value.encode()) if isinstance(value, str) and value.isascii() else None
    if octets is None:
        raise ValueError(f"{member} is not base64url")
    return octets


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _unhex(text: bytes) -> bytes | None:
    try:
        return binascii.unhexlify(text)
    except binascii.Error:
        return None


def _after_prefix(text: bytes) -> bytes | None:
    return decode_base64(text.removeprefix(PUBLIC_KEY_PREFIX))


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Material]]] = {
    "RSA": _rsa,
    "EC": _elliptic,
    "OKP": _edwards,
}
#: Under pem, jwk and jwks nothing else is a key: where a shared secret may stand as well
#: (FusionAuth), 32 random bytes must never be taken for a public key.
_DECODERS: Final[Mapping[KeyFormat, Callable[[bytes], bytes | None]]] = {
    "spki": decode_base64,
    "base64": decode_base64,
    "base64url": decode_base64,
    "hex": _unhex,
    "whpk": _after_prefix,
}
