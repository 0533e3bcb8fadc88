"""TrueLayer: a detached web token over method, path, chosen headers and body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from ingest.verify.builders.claiming import unreadable
from ingest.verify.carrier import read_carrier
from ingest.verify.claims import Claim
from ingest.verify.content import wire
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Request
from ingest.verify.web_tokens import parse_token

_VERSION: Final = "2"
_MOST_HEADERS: Final = 50
#: Where a token may say that its key is; keys are fetched from the entry's own URL all the same.
_KEY_SETS: Final = (
    "https://webhooks.truelayer.com/.well-known/jwks",
    "https://webhooks.truelayer-sandbox.com/.well-known/jwks",
)


def truelayer(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    r"""Claim ``POST /path\nName: value\n...{body}`` with the headers that the token names.

    https://github.com/TrueLayer/truelayer-signing/blob/main/request-signing-v2.md: version 2; a
    path is taken with and without a slash at its end.
    """
    carried = read_carrier(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    token = parse_token(carried.items[0])
    if (
        token is None
        or token.header.get("tl_version") != _VERSION
        or token.header.get("jku", _KEY_SETS[0]) not in _KEY_SETS
    ):
        return unreadable("signature header, which is no detached token of version 2")
    headers = _signed_headers(token.header.get("tl_headers"), reading.request)
    if headers is None:
        return unreadable("headers that the token says it signed")
    request = reading.request
    contents = [
        (wire(f"{request.method.upper()} {path}\n{headers}") + request.body,)
        for path in _paths(request.url)
    ]
    return [Claim(list(carried.items), contents)]


def _signed_headers(names: object, request: Request) -> str | None:
    if names in (None, ""):
        return ""
    if not isinstance(names, str) or names.count(",") >= _MOST_HEADERS:
        return None
    lines = ""
    for name in names.split(","):
        value = sole(request.all(name.strip()))
        if value is None:
            return None
        lines += f"{name.strip()}: {value}\n"
    return lines


def _paths(url: str) -> list[str]:
    try:
        path = urlsplit(url).path
    except ValueError:
        return []
    other = path[:-1] if path.endswith("/") else f"{path}/"
    return [path, other]
