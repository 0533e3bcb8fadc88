"""Turns a secret, as its provider shows it, into key bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from ingest.verify.words import SecretFormat

#: Standard Webhooks: a public key, which verifies Ed25519 signatures, and its private half.
PUBLIC_KEY_PREFIX: Final = b"whpk_"
_PRIVATE_KEY_PREFIX: Final = b"whsk_"
_PUBLIC_KEY_BYTES: Final = 32


def decode_key(secret_format: SecretFormat, value: bytes) -> bytes | None:
    """Return the shared key; None where it is empty or not of its format. Never raises.

    ``whsec``: base64 after ``whsec_`` (or ``v1,whsec_``, as Supabase shows it). Without the prefix
    it is base64 too, as the reference libraries take it, else the text itself (Polar's).
    ``whsec_utf8``: without the prefix always the text itself (OpenAI's). Half of a key pair is
    refused: whoever knows a public key could sign with it. ``nfkd``: the text in that Unicode
    form (EasyPost). ``sha1``: its digest (Braintree).
    """
    if not value.strip():
        return None
    return _DECODERS[secret_format](value)


def trimmed(value: bytes, prefix: re.Pattern[bytes] | None, suffix: str) -> bytes:
    """Take off what the provider shows and does not sign with, and put on what it adds."""
    if not value.strip():
        return value  # with a suffix it would be a key that everybody knows
    return (prefix.sub(b"", value, count=1) if prefix else value) + suffix.encode()


def _normalised(value: bytes) -> bytes | None:
    try:
        return unicodedata.normalize("NFKD", value.decode()).encode()
    except UnicodeDecodeError:
        return None


def _decode_whsec(value: bytes) -> bytes | None:
    text = value.removeprefix(b"v1,")
    return _after_whsec(text, decode_base64(text) or value)


def _after_whsec(text: bytes, bare: bytes) -> bytes | None:
    """Decode what stands behind ``whsec_``; ``bare`` is the key where that is not in front."""
    if text.startswith((PUBLIC_KEY_PREFIX, _PRIVATE_KEY_PREFIX)):
        return None
    if text.startswith(b"whsec_"):
        return decode_base64(text.removeprefix(b"whsec_"))
    return bare


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


_DECODERS: Final[Mapping[SecretFormat, Callable[[bytes], bytes | None]]] = {
    "utf8": lambda value: value,
    "nfkd": _normalised,
    "hex": lambda value: _unhex(value.strip()),
    "base64": lambda value: decode_base64(value.strip()),
    "base64url": lambda value: decode_base64(value.strip()),
    "whsec": lambda value: _decode_whsec(value.strip()),
    "whsec_utf8": lambda value: _after_whsec(value.strip(), value),
    "sha1": lambda value: hashlib.sha1(value, usedforsecurity=False).digest(),
}
