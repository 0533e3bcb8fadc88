"""Credential values are kept as keyed digests: enough to compare, useless to steal.

A token in a header or a query proves its sender by itself, so it is never stored or forwarded.
What stands in its place is ``hmac-sha256:<hex>`` under a key that lives beside the database,
not in it; verifying a stored request again compares digests. An Authorization header keeps its
scheme word. Every receiver of one database needs the same key file.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from pathlib import Path
from urllib.parse import unquote_plus

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingest.errors import ConfigError
from ingest.private_file import make_private_file

KEY_BYTES = 32
_MARK = "hmac-sha256:"
_AUTHORIZATIONS = frozenset({"authorization", "proxy-authorization"})
#: Only registered words are kept: in any other value the first word may be half of the secret.
#: https://www.iana.org/assignments/http-authschemes, and the two that webhooks use beside them.
_SCHEMES = frozenset({"basic", "bearer", "digest", "hoba", "negotiate", "token", "apikey"})


class CredentialKey:
    """Digests credential values under one key; the repr does not show it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "CredentialKey(...)"

    def digest(self, value: str) -> str:
        """``hmac-sha256:<hex>`` of a value, read as latin-1 like every header value."""
        raw = value.encode("latin-1", "backslashreplace")
        return _MARK + hmac.new(self._key, raw, hashlib.sha256).hexdigest()

    def derived(self, context: bytes) -> bytes:
        """A key of 32 bytes for another purpose (HKDF-SHA256): one key never serves two."""
        return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=context).derive(self._key)

    def conceal_headers(
        self, headers: tuple[tuple[str, str], ...], names: AbstractSet[str]
    ) -> tuple[tuple[str, str], ...]:
        """Return the headers with the values of ``names`` (lower-case) replaced by digests."""
        if names.isdisjoint(dict(headers)):
            return headers
        return tuple(
            (name, self._header(name, value)) if name in names else (name, value)
            for name, value in headers
        )

    def conceal_query(self, query: str, names: Collection[str]) -> str:
        """Return the query with the values of ``names`` replaced; all else is byte for byte."""
        if not query or not names:
            return query
        return "&".join(self._parameter(part, names) for part in query.split("&"))

    def _header(self, name: str, value: str) -> str:
        scheme, space, credential = value.partition(" ")
        if name in _AUTHORIZATIONS and space and scheme.lower() in _SCHEMES:
            return f"{scheme} {self.digest(credential.strip())}"
        return self.digest(value)

    def _parameter(self, part: str, names: Collection[str]) -> str:
        name, equals, value = part.partition("=")
        if not equals or unquote_plus(name) not in names:  # read as ``verify`` reads it
            return part
        return f"{name}={self.digest(unquote_plus(value, 'latin-1'))}"


def concealed(text: str) -> bool:
    """Whether a stored value holds a digest in place of a credential."""
    return _MARK in text


def load_key(path: Path) -> CredentialKey:
    """Read the key, or make one at the first start: 32 random bytes, readable by its owner only.

    Any number of processes may start at once; they share the key of the first. Raises
    ConfigError where the file cannot be made, read, or is no key.
    """
    try:
        if not path.exists():
            make_private_file(path, secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The key file {path} can be neither read nor made: {error}. Nothing was received. "
            "Set HOOKKEEPER_KEY_FILE to a file in a folder that this user may write."
        ) from error
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{path} holds {len(key)} bytes, a key has {KEY_BYTES}. Bring back the file this "
            "database was used with; without it, stored credentials cannot be compared again."
        )
    return CredentialKey(key)
