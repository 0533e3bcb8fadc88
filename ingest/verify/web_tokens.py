"""The compact form of a JSON Web Signature (RFC 7515), also detached and unencoded (RFC 7797).

Signature only: what a token claims is judged in ``token_claims.py``, against a clock that is an
argument. There is one spelling of every token: unpadded canonical base64url in three parts. The
algorithm must be one that the entry lists and the key must be of its kind; what a token says of
its own key (``jwk``, ``jku``, ``x5u``) is never followed, ``x5c`` only by ``apple_chain.py``.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ingest.verify.asymmetric import SignatureScheme
from ingest.verify.public_keys import Material

#: Shared keys: algorithm -> digest.
SHARED: Final[Mapping[str, str]] = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
#: Key pairs: algorithm -> scheme (RFC 7518 §3.1, RFC 8037, RFC 9864).
PAIRED: Final[Mapping[str, SignatureScheme]] = {
    **{f"RS{bits}": SignatureScheme("rsa", f"sha{bits}") for bits in (256, 384, 512)},
    **{f"PS{bits}": SignatureScheme("rsa", f"sha{bits}", "pss") for bits in (256, 384, 512)},
    "ES256": SignatureScheme("ecdsa", "sha256", signature_format="raw", curve="secp256r1"),
    "ES384": SignatureScheme("ecdsa", "sha384", signature_format="raw", curve="secp384r1"),
    "ES512": SignatureScheme("ecdsa", "sha512", signature_format="raw", curve="secp521r1"),
    "EdDSA": SignatureScheme("ed25519"),
    "Ed25519": SignatureScheme("ed25519"),
}
_UNENCODED: Final = ["b64"]  # the one extension that is understood


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart and not yet believed. ``payload`` is "" where it is detached."""

    head: str
    payload: str
    signature: bytes
    header: Mapping[str, Any]
    algorithm: str
    key_id: str | None

    def signed(self, detached: bytes | None = None) -> bytes:
        """The bytes that were signed; ``detached`` is the payload that travelled elsewhere."""
        if detached is None:
            return f"{self.head}.{self.payload}".encode("ascii")
        unencoded = self.header.get("b64") is False
        return b"%s.%s" % (self.head.encode("ascii"), detached if unencoded else _encode(detached))

    def claims(self) -> Mapping[str, Any] | None:
        """What the payload says, if it is a JSON object."""
        return _object(_decode(self.payload))

    def proven_by_secret(self, secret: bytes, signed: bytes) -> bool:
        """Whether a holder of the shared secret made it; False for a key pair's algorithm."""
        digest = SHARED.get(self.algorithm)
        if digest is None:
            return False
        return hmac.compare_digest(hmac.digest(secret, signed, digest), self.signature)

    def proven_by_key(self, key: Material, signed: bytes) -> bool:
        """Whether the holder of the private half made it; False for a shared key's algorithm."""
        scheme = PAIRED.get(self.algorithm)
        return scheme is not None and scheme.proves(key, self.signature, signed)


def parse_token(text: str) -> Token | None:
    """Take a token apart; None for anything but three canonical parts and a header with alg.

    ``crit`` may name ``b64`` and nothing else, and ``b64`` must be named there (RFC 7797 §6).
    """
    parts = text.split(".") if text.isascii() else []
    if len(parts) != 3:  # noqa: PLR2004 -- header, payload, signature
        return None
    head, payload, signature = parts
    header, decoded = _object(_decode(head)), _decode(signature)
    if header is None or not decoded or (payload and _decode(payload) is None):
        return None
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
        return None
    if not _understood(header, detached=not payload):
        return None
    return Token(head, payload, decoded, header, algorithm, key_id)


def _understood(header: Mapping[str, Any], *, detached: bool) -> bool:
    if "crit" not in header and "b64" not in header:
        return True
    return header.get("crit") == _UNENCODED and (
        header.get("b64") is True or (header.get("b64") is False and detached)
    )


def _object(data: bytes | None) -> Mapping[str, Any] | None:
    try:
        value = orjson.loads(data or b"")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _decode(part: str) -> bytes | None:
    """Decode canonical unpadded base64url, or None: other spellings would be other tokens."""
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return None
    return data if hmac.compare_digest(_encode(data), part.encode("ascii")) else None


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
