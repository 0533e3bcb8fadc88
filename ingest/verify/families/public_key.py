"""Signatures by a key pair: Ed25519, ECDSA and RSA over what the entry's claims say.

The source's secret is the public key, as its provider shows it. Where the entry knows the keys
(``published_keys``, ``key_source``) a source needs no secret, and one that it has is a key to use
instead; unless ``content`` holds ``{secret}``: then it is a part of what is signed (PayPal).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ingest.verify.asserting import claims
from ingest.verify.asymmetric import Kind, SignatureScheme
from ingest.verify.claims import Claim, algorithm_of
from ingest.verify.families import Outcome
from ingest.verify.keys import decode_base64
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.public_keys import PublicKey
from ingest.verify.published import keys_of, published_keys
from ingest.verify.request import Reason, Rejected, Secret
from ingest.verify.words import Encoding, Family

_KINDS: Final[Mapping[Family, Kind]] = {"ed25519": "ed25519", "ecdsa": "ecdsa", "rsa": "rsa"}
#: Signatures of a claim, decoded, and its contents, each in the pieces that a secret joins.
_Signed = tuple[Sequence[bytes], Sequence[tuple[bytes, ...]]]


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Whether every claim holds under a key of the secret's, or of the provider's own."""
    made = claims(provider, reading)
    if isinstance(made, Rejected):
        return made
    algorithm = algorithm_of(provider, reading)
    if isinstance(algorithm, Rejected):
        return algorithm
    scheme = SignatureScheme(
        _KINDS[provider.family], algorithm, provider.padding, provider.signature_format
    )
    signed = [_decoded(provider, claim) for claim in made]
    found = [bool(signatures) for signatures, _ in signed]
    if not found or not all(found):
        detail = f"there is no signature in {provider.encoding} where it belongs"
        return Rejected(Reason.MALFORMED_SIGNATURE, detail)
    return _matches(provider, reading, secrets, scheme, signed)


def _matches(
    provider: Provider,
    reading: Reading,
    secrets: Sequence[Secret],
    scheme: SignatureScheme,
    signed: Sequence[_Signed],
) -> Outcome:
    inside = max((len(pieces) for _, contents in signed for pieces in contents), default=1) > 1
    matches: list[bool | None] = []
    for secret in secrets:
        keys = published_keys(provider, reading) if inside else keys_of(provider, reading, secret)
        if isinstance(keys, Rejected):
            return keys
        fitting = [key for key in keys or () if scheme.fits(key.material)]
        if keys is None or (keys and not fitting) or (inside and not secret.value.strip()):
            matches.append(None)
        else:
            joint = secret.value if inside else b""
            held = [_holds(scheme, key, signed, joint) for key in fitting]
            matches.append(any(held))
    return matches


def _holds(
    scheme: SignatureScheme, key: PublicKey, signed: Sequence[_Signed], joint: bytes
) -> bool:
    """Whether under this one key every claim has a signature that fits one of its contents."""
    proven = [
        [
            scheme.proves(key.material, signature, joint.join(pieces))
            for signature in signatures
            for pieces in contents
        ]
        for signatures, contents in signed
    ]
    return all(map(any, proven))


def _decoded(provider: Provider, claim: Claim) -> _Signed:
    decoded = [decode_signature(provider.encoding, text) for text in claim.signatures]
    return [each for each in decoded if each is not None], claim.contents


def decode_signature(encoding: Encoding, text: str) -> bytes | None:
    """Decode the one spelling that the encoding has of these bytes; None for any other text."""
    decode, encode = _CODECS[encoding]
    try:
        data = decode(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        return None
    if not data:
        return None
    wanted = text.lower() if encoding == "hex_any" else text
    return data if hmac.compare_digest(encode(data), wanted.encode("ascii")) else None


def _hex(data: bytes) -> bytes:
    return data.hex().encode()


_CODECS: Final[
    Mapping[Encoding, tuple[Callable[[bytes], bytes | None], Callable[[bytes], bytes]]]
] = {
    "hex": (binascii.unhexlify, _hex),
    "hex_any": (binascii.unhexlify, _hex),
    "HEX": (binascii.unhexlify, lambda data: _hex(data).upper()),
    "base64": (decode_base64, base64.b64encode),
    "base64url": (decode_base64, base64.urlsafe_b64encode),
    "base64url_nopad": (decode_base64, lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")),
}
