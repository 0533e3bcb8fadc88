"""Key pairs of one's own, for providers that sign with one: who tries a source signs with this.

The source then names the public half among its secrets, in place of the provider's.
"""

from __future__ import annotations

import base64
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ingest.verify.asymmetric import SignatureScheme
from ingest.verify.keys import PUBLIC_KEY_PREFIX
from ingest.verify.provider import Provider
from ingest.verify.web_tokens import PAIRED

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_RSA_BITS: Final = 2_048
_RSA_EXPONENT: Final = 65_537
_CURVES: Final[dict[str | None, ec.EllipticCurve]] = {
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
}
_DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 -- Postal, Travis CI, eBay: what they sign with
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def new_private_key(provider: Provider) -> PrivateKey:
    """Make a key of the kind that this provider signs with. Takes chance from the system."""
    scheme = _wanted(provider)
    if scheme.kind == "ed25519":
        return Ed25519PrivateKey.generate()
    if scheme.kind == "ecdsa":
        return ec.generate_private_key(_CURVES.get(scheme.curve, ec.SECP256R1()))
    return rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS)


def _wanted(provider: Provider) -> SignatureScheme:
    match provider.family:
        case "ed25519" | "ecdsa" | "rsa":
            return SignatureScheme(provider.family)
        case "jwt":
            named = next(name for name in provider.token_algorithms if name in PAIRED)
            return PAIRED[named]
        case _:
            return SignatureScheme("ed25519")


def private_text(key: PrivateKey) -> bytes:
    """Write it as PEM, in the clear: it opens nothing but a source that was told to believe it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_private_key(text: bytes) -> PrivateKey:
    """Read what ``private_text`` wrote. Raises ValueError for anything else."""
    key = serialization.load_pem_private_key(text, None)
    if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the private key is neither Ed25519, EC nor RSA")  # noqa: TRY004 -- a text of another kind
    return key


def public_text(provider: Provider, key: PrivateKey) -> bytes:
    """Write the public half as a source of this provider takes it: ``whpk_..``, else PEM."""
    if provider.family == "standard_webhooks":
        raw = key.public_key().public_bytes_raw() if isinstance(key, Ed25519PrivateKey) else b""
        return PUBLIC_KEY_PREFIX + base64.b64encode(raw)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def signature(scheme: SignatureScheme, key: PrivateKey, content: bytes) -> bytes:
    """Sign as the scheme says. Raises ValueError for a key of another kind."""
    if not scheme.fits(key.public_key()):
        raise ValueError(f"the private key is not one of {scheme.kind}")
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(content)
    digest = _DIGESTS[scheme.digest]
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        return key.sign(content, pss if scheme.padding == "pss" else padding.PKCS1v15(), digest)
    der = key.sign(content, ec.ECDSA(digest))
    return der if scheme.signature_format == "der" else _raw(der, key.curve.key_size)


def _raw(der: bytes, bits: int) -> bytes:
    half = (bits + 7) // 8
    return b"".join(number.to_bytes(half, "big") for number in decode_dss_signature(der))
