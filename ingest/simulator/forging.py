"""Forgeries: what somebody without the secret can send."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from ingest.signing import Credential, example_credential
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Request

Forge = Callable[[Request], Request]

#: How a forgery may be refused.
REASONS: Final = frozenset(
    {
        Reason.BAD_SIGNATURE.value,
        Reason.MALFORMED_SIGNATURE.value,
        Reason.MISSING_SIGNATURE.value,
        Reason.MISSING_SIGNED_HEADER.value,
    }
)
_LETTERS: Final = string.ascii_lowercase.encode()
_STRANGERS_KEY: Final = b"the key of somebody with no rights"
_UNCOVERED: Final = ("token", "basic", "none")


def forgeries(provider: Provider, rng: random.Random) -> Sequence[Forge]:
    """Return the ways to spoil a signed request that this provider's signature must notice."""
    ways: list[Forge] = []
    if provider.family not in _UNCOVERED and provider.covers_body:
        ways.append(partial(_with_changed_body, place=rng.random()))
    if provider.header:
        ways.append(partial(_without_signature, provider=provider))
    return ways


def strangers_credential(provider: Provider) -> Credential:
    """Return a credential of the provider's form that no source of anybody's has."""
    credential, _ = example_credential(provider, _STRANGERS_KEY)
    return credential


def _with_changed_body(request: Request, place: float) -> Request:
    """Change one letter: a byte that counts in JSON, in a form and in XML alike."""
    spots = [spot for spot, byte in enumerate(request.body) if byte in _LETTERS]
    if not spots:
        return replace(request, body=request.body + b"x")
    spot = spots[int(place * len(spots))]
    other = _LETTERS[(_LETTERS.index(request.body[spot]) + 1) % len(_LETTERS)]
    return replace(request, body=request.body[:spot] + bytes([other]) + request.body[spot + 1 :])


def _without_signature(request: Request, provider: Provider) -> Request:
    carried = {name.lower().removesuffix("*") for name in provider.header}
    return replace(
        request,
        headers=tuple(
            (name, value)
            for name, value in request.headers
            if not any(name.lower().startswith(each) for each in carried)
        ),
    )
