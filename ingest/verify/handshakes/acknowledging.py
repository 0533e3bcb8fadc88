"""The answer to an event where a provider wants certain words for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import orjson

from ingest.verify.handshakes.conditions import parsed_at
from ingest.verify.handshakes.response import Response
from ingest.verify.handshakes.signed_success import Headers, seconds, signed_headers
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Request, Secret

_PLACE: Final = r"\{((?:header|body|form|query|option):[^{}]+)\}"
_NOW: Final = "{now}"
_QUOTED: Final = re.compile(f'"{_PLACE}"')
_BARE: Final = re.compile(_PLACE)
_OK: Final = 200
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


def acknowledgement(
    provider: Provider,
    request: Request,
    *,
    options: Mapping[str, str] = _NO_OPTIONS,
    secrets: Sequence[Secret] = (),
    proving: str | None = None,
    now: int | None = None,
) -> Response | None:
    """Build what ``success_body`` and ``success_headers`` ask for; None where they ask nothing.

    A place in quotes keeps its kind, so that a number is echoed as one; ``{now}`` is ``now`` (ms)
    in seconds. Where the provider wants it signed, ``proving`` of the ``secrets`` signs it (the
    first where none has that name). Never raises.
    """
    if not provider.success_body and not provider.success_headers:
        return None
    reading = Reading(request, options=options, now=now)
    template = (provider.success_body or "").replace(_NOW, str(seconds(reading)))
    body = _BARE.sub(
        lambda found: _read(reading, found[1]),
        _QUOTED.sub(lambda found: _json(reading, found[1]), template),
    )
    kind = [("content-type", _kind(body))] if body else []
    headers = [
        (name, value)
        for name, text in provider.success_headers.items()
        for value in [_BARE.sub(lambda found: _read(reading, found[1]), text)]
        if value and all("!" <= character <= "~" for character in value)
    ]
    said = body.encode("utf-8", "replace")
    signed: Headers = ()
    if provider.success_signer is not None:
        held = sorted(secrets, key=lambda one: one.name != proving)
        secret = held[0].value if held else b""
        signed = signed_headers(provider.success_signer, reading, said, secret)
    return Response(provider.success_status or _OK, (*kind, *headers, *signed), said)


def _read(reading: Reading, place: str) -> str:
    return reading.read(Atom.parse(place)) or ""


def _json(reading: Reading, place: str) -> str:
    """Spell it in JSON; what came as a number in the body stays one."""
    atom, text = Atom.parse(place), _read(reading, place)
    value = parsed_at(reading.request.body, atom) if atom.place == "body" else None
    if text and isinstance(value, int):
        return text
    return orjson.dumps(text.encode("utf-8", "replace").decode()).decode()


def _kind(body: str) -> str:
    if body.startswith("<"):
        return "text/xml"
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return "text/plain"
    return "application/json"
