"""Signatures over a piece of the body as sent: Exact Online, Segment, Unisender Go, Gitea."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import claim, unreadable
from ingest.verify.builders.json_text import (
    Writer,
    javascript_number,
    javascript_text,
    parsed,
)
from ingest.verify.claims import Claim
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

_DECODER: Final = json.JSONDecoder()
_STRINGIFY: Final = Writer(javascript_text, javascript_number, sorts=False)
_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_MOST_MEMBERS: Final = 100
_MD5_HEX: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_PAYLOAD: Final = Atom.parse("form:payload")
_ASKED: Final = Atom.parse("query:payload")
_AUTH: Final = Atom.parse("body:auth")


def exact_online(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the text of ``Content``, braces included; ``HashCode`` beside it carries it.

    https://support.exactonline.com/community/s/knowledge-base#All-All-DNO-Content-webhookstut.
    A name that comes twice is refused: what is read must be what is signed.
    """
    members = _members(reading.request.body)
    if members is None or set(members) != {"Content", "HashCode"}:
        return unreadable("body, which is not one Content and one HashCode")
    return claim(provider, reading, [(members["Content"].encode(),)])


def _members(body: bytes) -> dict[str, str] | None:
    """Cut a JSON object into its members' text; None where it is none, or a name repeats."""
    try:
        text = body.decode("utf-8")
        return _cut(text) if text.lstrip(" \t\r\n").startswith("{") else None
    except (ValueError, RecursionError, IndexError):
        return None


def _cut(text: str) -> dict[str, str]:
    members: dict[str, str] = {}
    at, follows = _after(text, 0, "{"), ","
    while follows == ",":
        name, at = _DECODER.raw_decode(text, at)
        at = _after(text, at, ":")
        _, end = _DECODER.raw_decode(text, at)
        if type(name) is not str or name in members or len(members) >= _MOST_MEMBERS:
            raise ValueError("a name repeats, or too many members")
        members[name] = text[at:end]
        at = _skip(text, end)
        follows = text[at]
        at = _after(text, at, "," if follows == "," else "}")
    if at != len(text):
        raise ValueError("more than one value")
    return members


def _after(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at] != mark:
        raise ValueError(f"{mark} expected")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def segment(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the body; of a batch, only of its first element: as sent, or as JavaScript writes it.

    https://segment.com/docs/connections/destinations/catalog/actions-webhook: "if you are sending
    a batch of events, only the first event is signed", and what is signed is ``JSON.stringify``
    of it. So a batch's other events prove nothing.
    """
    body = reading.request.body
    contents = [body]
    if body.lstrip(b" \t\r\n").startswith(b"["):
        first = _first_element(body)
        if first is None:
            return unreadable("body, which is no JSON array")
        contents.append(first)
    said = parsed(contents[-1])
    written = _STRINGIFY.write(said) if isinstance(said, dict) else None
    every = dict.fromkeys([*contents, *([written] if written else [])])
    return claim(provider, reading, [(content,) for content in every])


def _first_element(body: bytes) -> bytes | None:
    try:
        text = body.decode("utf-8")
        at = _after(text, 0, "[")
        _, end = _DECODER.raw_decode(text, at)
        return text[at:end].encode()
    except (ValueError, RecursionError, IndexError):
        return None


def unisender_go(_: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """MD5 of the body in which the secret stands wherever ``auth`` carries that MD5.

    https://godocs.unisender.ru/web-api-ref#callback-format; django-anymail 15.2
    ``webhooks/unisender_go.py``.
    """
    auth = reading.read(_AUTH)
    if auth is None:
        return Rejected(Reason.MISSING_SIGNATURE, "the body carries no auth")
    pieces = reading.request.body.split(auth.encode("utf-8", "surrogatepass"))
    if not _MD5_HEX.fullmatch(auth) or len(pieces) == 1:
        return unreadable("body, whose auth is no MD5 in hex")
    return [Claim([auth], [tuple(pieces)])]


def gitea(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the JSON payload: the body, or the field ``payload`` of a form or of a GET's query.

    https://docs.gitea.com/usage/webhooks; go-gitea ``services/webhook/deliver.go``. (GitHub signs
    the form as it is on the wire.)
    """
    body = reading.request.body
    payload = reading.read(_ASKED if reading.request.method == "GET" and not body else _PAYLOAD)
    if payload is None or parsed(body) is not None:
        return claim(provider, reading, [(body,)])
    return claim(provider, reading, [(payload.encode("utf-8", "surrogatepass"),)])
