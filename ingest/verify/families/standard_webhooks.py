"""Standard Webhooks: HMAC ``v1`` and, where the secret is a ``whpk_`` public key, Ed25519 ``v1a``.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingest.verify.carrier import Carried, read_carrier
from ingest.verify.claims import Claim, signed_content, without_prefix
from ingest.verify.families import Outcome
from ingest.verify.families.keyed_digest import match_claims
from ingest.verify.keys import PUBLIC_KEY_PREFIX, decode_base64, decode_public_key
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Secret

_ASYMMETRIC_PREFIX: Final = "v1a,"
_SIGNATURE_BYTES: Final = 64


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Each secret against the signatures of its own kind only."""
    carried = read_carrier(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    content = signed_content(provider, reading)
    if isinstance(content, Rejected):
        return content
    symmetric = [text for item in carried.items if (text := without_prefix(provider, item))]
    asymmetric = _asymmetric(carried)
    claimed = [Claim(symmetric, [content])]
    outcome = match_claims(provider, provider.algorithm, claimed, secrets, reading)
    if isinstance(outcome, Rejected):
        if not asymmetric:
            return outcome
        outcome = [False for _ in secrets]
    return [
        _match_public_key(secret, asymmetric, content[0])
        if secret.value.startswith(PUBLIC_KEY_PREFIX)
        else matched
        for secret, matched in zip(secrets, outcome, strict=True)
    ]


def _asymmetric(carried: Carried) -> list[bytes]:
    decoded = [
        _decode_signature(signature.encode("ascii"))
        for signature in _with_prefix(carried)
        if signature.isascii()
    ]
    return [signature for signature in decoded if signature is not None]


def _with_prefix(carried: Carried) -> list[str]:
    return [
        item.removeprefix(_ASYMMETRIC_PREFIX)
        for item in carried.items
        if item.startswith(_ASYMMETRIC_PREFIX)
    ]


def _decode_signature(text: bytes) -> bytes | None:
    """Decode the one canonical spelling; base64 has others, with stray bits or no padding."""
    decoded = decode_base64(text)
    if decoded is None or len(decoded) != _SIGNATURE_BYTES:
        return None
    return decoded if hmac.compare_digest(base64.b64encode(decoded), text) else None


def _match_public_key(secret: Secret, signatures: Sequence[bytes], content: bytes) -> bool | None:
    key = decode_public_key(secret.value)
    if key is None:
        return None
    # All of it is public, so stopping at the first match tells nobody anything.
    public_key = Ed25519PublicKey.from_public_bytes(key)
    return any(_proves(public_key, signature, content) for signature in signatures)


def _proves(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
