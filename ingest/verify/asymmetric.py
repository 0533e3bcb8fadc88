"""Checks one signature with one public key. Pure; all of it is public, so time tells nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ingest.verify.public_keys import Material

Kind = Literal["ed25519", "ecdsa", "rsa"]
Padding = Literal["pkcs1v15", "pss"]
SignatureFormat = Literal["der", "raw"]

_DIGESTS: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,  # Postal, Travis CI, eBay, SNS version 1: their choice, not ours
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """How a signature was made; ``curve`` where a scheme fixes it (ES256 is P-256 alone)."""

    kind: Kind
    digest: str = "sha256"
    padding: Padding = "pkcs1v15"
    signature_format: SignatureFormat = "der"
    curve: str | None = None

    def fits(self, key: Material) -> bool:
        """Whether the key is of the kind; one of another kind is never tried."""
        match key:
            case Ed25519PublicKey():
                return self.kind == "ed25519"
            case RSAPublicKey():
                return self.kind == "rsa"
            case _:
                return self.kind == "ecdsa" and self.curve in (None, key.curve.name)

    def proves(self, key: Material, signature: bytes, content: bytes) -> bool:
        """Whether the holder of the key's private half signed the content. Never raises."""
        if not self.fits(key):
            return False
        try:
            self._check(key, signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _check(self, key: Material, signature: bytes, content: bytes) -> None:
        """Raise InvalidSignature, or ValueError for a signature of another length."""
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, content)
            return
        digest = _DIGESTS[self.digest]()
        if isinstance(key, RSAPublicKey):
            key.verify(signature, content, self._padding(digest), digest)
            return
        der = signature if self.signature_format == "der" else _der(signature, key.curve.key_size)
        key.verify(der, content, ec.ECDSA(digest))

    def _padding(self, digest: hashes.HashAlgorithm) -> PKCS1v15 | PSS:
        if self.padding == "pkcs1v15":
            return PKCS1v15()
        return PSS(MGF1(digest), PSS.AUTO)


def _der(signature: bytes, bits: int) -> bytes:
    """Write r and s, halves of fixed length (RFC 7518 §3.4), as DER. Raises ValueError."""
    half = (bits + 7) // 8
    if len(signature) != 2 * half:
        raise ValueError("a raw ECDSA signature has twice the length of the curve")
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    return encode_dss_signature(r, s)
