"""Whether a secret is one that a provider's scheme can work with at all."""

from __future__ import annotations

from ingest.verify.keys import PUBLIC_KEY_PREFIX, decode_key, decode_public_key, trimmed
from ingest.verify.provider import Provider
from ingest.verify.public_keys import read_public_keys
from ingest.verify.web_tokens import SHARED


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


def keys_in(provider: Provider, value: bytes) -> list[bytes]:
    """Every key that one secret may stand for: several behind a separator, or in two formats."""
    mark = provider.secret_separator.encode()
    parts = value.split(mark) if mark else [value]
    found = [key_of(provider, part) for part in parts]
    if provider.other_secret_format is not None:
        found += [decode_key(provider.other_secret_format, part) for part in parts]
    return [key for key in dict.fromkeys(found) if key is not None]


def key_of(provider: Provider, value: bytes) -> bytes | None:
    """Return the key bytes of a secret as the provider shows it; None where it is none."""
    prefix = provider.secret_prefix_removed
    if prefix is not None or provider.secret_suffix:
        value = trimmed(value, prefix, provider.secret_suffix)
    return decode_key(provider.secret_format, value)


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
