"""Turns a secret, as its provider shows it, into key bytes."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from ingest.verify.provider import Provider, SecretFormat

#: Standard Webhooks: a public key, which verifies Ed25519 signatures, and its private half.
PUBLIC_KEY_PREFIX: Final = b"whpk_"
_PRIVATE_KEY_PREFIX: Final = b"whsk_"
_PUBLIC_KEY_BYTES: Final = 32


def usable(provider: Provider, secret: bytes) -> bool:
    """Whether the secret is one that this provider's scheme can work with at all."""
    match provider.family:
        case "none":
            return True
        case "basic":
            user, _, password = secret.partition(b":")
            return bool(user.strip() and password.strip())
        case "standard_webhooks" if secret.startswith(PUBLIC_KEY_PREFIX):
            return decode_public_key(secret) is not None
        case _:
            return decode_key(provider.secret_format, secret) is not None


def decode_key(secret_format: SecretFormat, value: bytes) -> bytes | None:
    """Return the shared key; None where it is empty or not of its format. Never raises.

    ``whsec``: base64 after ``whsec_`` (or ``v1,whsec_``, as Supabase shows it). Without the prefix
    it is base64 too, as the reference libraries take it, else the text itself (Polar's). Half of
    a key pair is refused: whoever knows a public key could sign with it.
    """
    if not value.strip():
        return None
    match secret_format:
        case "utf8":
            return value
        case "hex":
            return _unhex(value.strip())
        case "base64":
            return decode_base64(value.strip())
        case "whsec":
            return _decode_whsec(value.strip())


def _decode_whsec(value: bytes) -> bytes | None:
    text = value.removeprefix(b"v1,")
    if text.startswith((PUBLIC_KEY_PREFIX, _PRIVATE_KEY_PREFIX)):
        return None
    if text.startswith(b"whsec_"):
        return decode_base64(text.removeprefix(b"whsec_"))
    return decode_base64(text) or value


def decode_public_key(value: bytes) -> bytes | None:
    """Return the 32 bytes of an Ed25519 ``whpk_`` key, or None. Never raises."""
    key = decode_base64(value.removeprefix(PUBLIC_KEY_PREFIX).strip())
    return key if key is not None and len(key) == _PUBLIC_KEY_BYTES else None


def decode_base64(value: bytes) -> bytes | None:
    """Decode standard or URL-safe base64, padded or not; None if it is neither, or empty."""
    standard = value.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True) or None
    except binascii.Error:
        return None


def _unhex(value: bytes) -> bytes | None:
    try:
        return binascii.unhexlify(value) or None
    except binascii.Error:
        return None
