"""Challenges that come encrypted: Lark's and WeCom's AES-256-CBC envelopes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ingest.verify.keys import decode_base64

_BLOCK: Final = 16
_KEY_BYTES: Final = 32
_NOISE: Final = 16  # random bytes in front of WeCom's length
_HEAD: Final = _NOISE + 4


def open_lark(body: bytes, secret: bytes) -> bytes | None:
    """Decrypt ``{"encrypt": ...}``: the vector is in front, the key is the secret's SHA-256.

    None where the body is no such envelope, or was not made under this secret.
    https://open.larksuite.com/document/server-docs/event-subscription-guide/event-subscription-configure-/encrypt-key-encryption-configuration-case
    """
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    sealed = envelope.get("encrypt") if isinstance(envelope, Mapping) else None
    if not isinstance(sealed, str):
        return None
    raw = decode_base64(sealed.encode())
    if raw is None:
        return None
    return _decrypt(raw[_BLOCK:], hashlib.sha256(secret).digest(), raw[:_BLOCK], _BLOCK)


def open_wecom(sealed: str, aes_key: str, receiver: str) -> str | None:
    """Decrypt ``echostr``: 16 random bytes, a length, the message, and who it is for.

    ``aes_key``: the EncodingAESKey, base64 without its ``=``. ``receiver`` "" is not checked.
    https://developer.work.weixin.qq.com/document/path/90968
    """
    key = decode_base64(aes_key.encode("utf-8", "surrogatepass"))
    # A sender that does not escape its plus signs means them all the same.
    raw = decode_base64(sealed.replace(" ", "+").encode("utf-8", "surrogatepass"))
    if key is None or len(key) != _KEY_BYTES or raw is None:
        return None
    plain = _decrypt(raw, key, key[:_BLOCK], _KEY_BYTES)
    if plain is None or len(plain) < _HEAD:
        return None
    end = _HEAD + int.from_bytes(plain[_NOISE:_HEAD], "big")
    wanted = receiver.encode("utf-8", "surrogatepass")
    if end > len(plain) or (wanted and not hmac.compare_digest(plain[end:], wanted)):
        return None
    return plain[_HEAD:end].decode("utf-8", "replace")


def _decrypt(sealed: bytes, key: bytes, vector: bytes, longest_padding: int) -> bytes | None:
    """Undo AES-256-CBC and PKCS #7 padding of up to ``longest_padding`` bytes."""
    if not sealed or len(sealed) % _BLOCK or len(vector) != _BLOCK:
        return None
    cipher = Cipher(AES(key), CBC(vector)).decryptor()
    plain = cipher.update(sealed) + cipher.finalize()
    padding = plain[-1]
    if not 1 <= padding <= min(longest_padding, len(plain)):
        return None
    return plain[:-padding]
