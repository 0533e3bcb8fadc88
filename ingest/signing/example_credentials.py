"""A credential of the form that a provider's have, where no source gives one: for tests."""

from __future__ import annotations

import base64
from typing import Final

from ingest.signing.credential import Credential
from ingest.signing.private_keys import new_private_key, public_text
from ingest.signing.signable import signs_with_pair
from ingest.verify.provider import Provider

_KEY: Final = b"hookkeeper example secret, 32 b."


def example_credential(provider: Provider, key: bytes = _KEY) -> tuple[Credential, bytes]:
    """What signs, and what the source is given as its secret: the public half of a fresh pair.

    A shared secret is made of ``key`` and so the same every time: worth nothing outside of tests.
    """
    if provider.family == "none":
        return Credential(), b""
    if signs_with_pair(provider):
        made = new_private_key(provider)
        return Credential(private_key=made), public_text(provider, made)
    secret = _spelled(provider, key)
    return Credential(secret), secret


def _spelled(provider: Provider, key: bytes) -> bytes:
    if provider.family == "basic":
        return b"hookkeeper:" + key
    match provider.secret_format:
        case "base64":
            return base64.b64encode(key)
        case "base64url":
            return base64.urlsafe_b64encode(key)
        case "hex":
            return key.hex().encode()
        case "whsec":
            return b"whsec_" + base64.b64encode(key)
        case _:
            return key
