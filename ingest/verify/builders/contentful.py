"""Contentful: a canonical request over the headers that one of its headers lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from ingest.verify.builders.claiming import claim, lacks, unreadable
from ingest.verify.claims import Claim
from ingest.verify.content import wire
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Request

_TIMESTAMP: Final = "x-contentful-timestamp"
_SIGNED_HEADERS: Final = "x-contentful-signed-headers"
_FEWEST_HEADERS: Final = 2
_MOST_HEADERS: Final = 100
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
#: What JavaScript leaves as it is, beside letters, digits and ``_.-~``.
_ESCAPE_KEEPS: Final = "!*'()"
_ENCODE_URI_KEEPS: Final = ";,/?:@&=+$#!*'()"


def contentful(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    r"""HMAC of ``METHOD\npath\nname:value;name:value\nbody``.

    The headers are the listed ones that are there, sorted; their list is then what was signed.
    The query is percent-encoded twice.

    https://www.contentful.com/developers/docs/extensibility/app-framework/request-verification/;
    @contentful/node-apps-toolkit 3.16 ``requests/sign-request`` and ``requests/utils``.
    """
    request = reading.request
    timestamp = (sole(request.all(_TIMESTAMP)) or "").strip()
    listed = sole(request.all(_SIGNED_HEADERS))
    if listed is None:
        return lacks(_SIGNED_HEADERS)
    if not (timestamp.isascii() and timestamp.isdigit()):
        return unreadable(f"{_TIMESTAMP} header")
    names = listed.split(",", _MOST_HEADERS)
    if not _FEWEST_HEADERS <= len(names) <= _MOST_HEADERS:
        return unreadable(f"{_SIGNED_HEADERS} header")
    # The SDK looks the names up as they are written, among names in lower case.
    there = [name for name in names if name == name.lower() and request.all(name)]
    signed = {name: _value(request, name) for name in there}
    signed[_SIGNED_HEADERS] = ",".join(sorted({*signed, _SIGNED_HEADERS, _TIMESTAMP}))
    signed[_TIMESTAMP] = timestamp
    head = ";".join(f"{name}:{value}" for name, value in sorted(signed.items()))
    parts = (wire(request.method), _path(request.url), wire(head), request.body)
    return claim(provider, reading, [(b"\n".join(parts),)])


def _value(request: Request, name: str) -> str:
    return ", ".join(request.all(name)).strip()


def _path(url: str) -> bytes:
    pathname, *rest = _ORIGIN.sub("", url, count=1).split("?")
    search = quote(wire(rest[0]), safe=_ESCAPE_KEEPS) if rest else ""
    whole = f"{pathname or '/'}?{search}" if search else pathname or "/"
    return quote(wire(whole), safe=_ENCODE_URI_KEEPS).encode()
