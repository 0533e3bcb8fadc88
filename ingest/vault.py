"""Learned secrets are stored encrypted: AES-256-GCM under a key of their own.

It is derived (HKDF-SHA256, RFC 5869) from the key file that lives beside the database, not in it,
so a stolen copy of the database opens nothing. Source and name are authenticated with the value: a
row that was moved to another source cannot be read.
"""

import hmac
import os
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingest.credentials import CredentialKey
from ingest.learning import LearnedSecret
from ingest.verify.request import Secret

_CONTEXT = b"hookkeeper learned secrets 1"
_NONCE_BYTES = 12


class Vault:
    """Encrypts and decrypts under one key; the repr does not show it."""

    def __init__(self, key: CredentialKey) -> None:
        self._cipher = AESGCM(key.derived(_CONTEXT))

    def __repr__(self) -> str:
        return "Vault(...)"

    def lock(self, source: str, name: str, value: bytes, now: int) -> LearnedSecret:
        """Encrypt a value that was learned at ``now`` (ms)."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, value, _bound(source, name))
        return LearnedSecret(source, name, nonce + sealed, now)

    def unlock(self, learned: LearnedSecret) -> Secret | None:
        """Decrypt one; None where it was encrypted under another key, or changed."""
        nonce, sealed = (
            learned.value_encrypted[:_NONCE_BYTES],
            learned.value_encrypted[_NONCE_BYTES:],
        )
        try:
            value = self._cipher.decrypt(nonce, sealed, _bound(learned.source, learned.name))
        except (InvalidTag, ValueError):
            return None
        return Secret(learned.name, value)

    def by_source(self, learned: Iterable[LearnedSecret]) -> dict[str, tuple[Secret, ...]]:
        """All that can be decrypted, by source; what was learned under another key is left out."""
        found: dict[str, tuple[Secret, ...]] = {}
        for one in learned:
            secret = self.unlock(one)
            if secret is not None:
                found[one.source] = (*found.get(one.source, ()), secret)
        return found


def known(value: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether a value is one of these secrets; all are compared, in constant time."""
    return sum(hmac.compare_digest(value, secret.value) for secret in secrets) > 0


def _bound(source: str, name: str) -> bytes:
    return f"{source}\0{name}".encode()
