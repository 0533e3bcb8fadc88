"""Whether a secret is one that a provider's scheme can work with at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ingest.verify.keys import PUBLIC_KEY_PREFIX, decode_key, decode_public_key, trimmed
from ingest.verify.provider import Provider
from ingest.verify.public_keys import read_public_keys
from ingest.verify.web_tokens import SHARED
from ingest.verify.words import SecretFormat


def usable(provider: Provider, secret: bytes) -> bool:
    """Whether requests could be proved with it; never raises."""
    match provider.family:
        case "none":
            return True
        case "basic":
            user, _, password = secret.partition(b":")
            return bool(user.strip() and password.strip())
        case "standard_webhooks" if secret.startswith(PUBLIC_KEY_PREFIX):
            return decode_public_key(secret) is not None
        case "ed25519" | "ecdsa" | "rsa" if "secret" not in provider.content.atoms:
            return bool(read_public_keys(provider.key_format, secret))
        case "jwt" if SHARED.keys().isdisjoint(provider.token_algorithms):
            return bool(read_public_keys(provider.key_format, secret))
        case _:
            return bool(keys_in(provider, secret))


def keys_in(provider: Provider, value: bytes) -> Sequence[bytes]:
    """Every key that one secret may stand for: several behind a separator, or in two formats."""
    return _keys(
        value,
        provider.secret_separator,
        (provider.secret_prefix_removed, provider.secret_suffix),
        (provider.secret_format, provider.other_secret_format),
    )


@lru_cache(maxsize=1_024)  # a source's secrets are asked for with each of its events
def _keys(
    value: bytes,
    separator: str,
    shown: tuple[re.Pattern[bytes] | None, str],
    formats: tuple[SecretFormat, SecretFormat | None],
) -> Sequence[bytes]:
    """Read a secret: ``shown`` is what is taken off its front and put on its end."""
    parts = value.split(separator.encode()) if separator else [value]
    first, other = formats
    found = [_key(part, shown, first) for part in parts]
    if other is not None:
        found += [decode_key(other, part) for part in parts]
    return tuple(key for key in dict.fromkeys(found) if key is not None)


def key_of(provider: Provider, value: bytes) -> bytes | None:
    """Return the key bytes of a secret as the provider shows it; None where it is none."""
    shown = (provider.secret_prefix_removed, provider.secret_suffix)
    return _key(value, shown, provider.secret_format)


def _key(
    value: bytes, shown: tuple[re.Pattern[bytes] | None, str], secret_format: SecretFormat
) -> bytes | None:
    return decode_key(secret_format, trimmed(value, *shown) if any(shown) else value)


def form_of(provider: Provider) -> str:
    """What its secrets look like, for whoever gave another."""
    match provider.family:
        case "basic":
            return "user:password"
        case "ed25519" | "ecdsa" | "rsa":
            return f"a public key ({provider.key_format})"
        case "jwt" if SHARED.keys().isdisjoint(provider.token_algorithms):
            return f"a public key ({provider.key_format})"
        case _:
            return provider.secret_format
