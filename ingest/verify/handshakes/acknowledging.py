"""The answer to an event where a provider wants certain words for it."""

from __future__ import annotations

import re
from typing import Final

import orjson

from ingest.verify.handshakes.conditions import parsed_at
from ingest.verify.handshakes.response import Response
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Request

_PLACE: Final = r"\{((?:header|body|form|query|option):[^{}]+)\}"
_QUOTED: Final = re.compile(f'"{_PLACE}"')
_BARE: Final = re.compile(_PLACE)
_OK: Final = 200


def acknowledgement(provider: Provider, request: Request) -> Response | None:
    """Build what ``success_body`` and ``success_headers`` ask for; None where they ask nothing.

    A place in quotes keeps its kind, so that a number is echoed as one. Never raises.
    """
    if not provider.success_body and not provider.success_headers:
        return None
    reading = Reading(request)
    template = provider.success_body or ""
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
    return Response(provider.success_status or _OK, (*kind, *headers), said)


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
