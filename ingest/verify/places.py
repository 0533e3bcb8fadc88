"""The places in a request that text is read from, and the reading of them.

``header:X``, ``body:a.b.0.c`` (JSON), ``form:field`` and ``form:field.a.b`` (JSON in a form),
``query:p``, ``signature:t`` (a key of the signature header). A body is a form where it is no JSON,
whatever its Content-Type. Absent: missing, empty, neither text
nor a whole number, or a header that came twice with different values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, get_args
from urllib.parse import parse_qs

import orjson

from ingest.verify.request import Request

Place = Literal["header", "body", "form", "query", "signature"]

_MOST_FIELDS: Final = 1_000  # of a form or a query: more is not a webhook


@dataclass(frozen=True, slots=True)
class Atom:
    """One place: ``header:webhook-id``, ``body:event.type``. ``name`` is lower-case for headers."""

    place: Place
    name: str
    path: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Atom:
        """Read ``place:rest``. Raises ValueError that names the places there are."""
        place, colon, rest = text.strip().partition(":")
        if not colon or not rest:
            raise ValueError(
                f"{text!r} names no place; write one of {_places()}, as header:X-Event"
            )
        match place:
            case "header":
                return cls("header", rest.lower())
            case "body":
                return cls("body", "", tuple(rest.split(".")))
            case "form":
                name, _, path = rest.partition(".")
                return cls("form", name, tuple(path.split(".")) if path else ())
            case "query":
                return cls("query", rest)
            case "signature":
                return cls("signature", rest)
            case _:
                raise ValueError(f"{place!r} is no place to read from; there are {_places()}")


def _places() -> str:
    return ", ".join(f"{place}:" for place in get_args(Place))


class Reading:
    """One request while it is being read: parsed at most once, and only when something asks."""

    def __init__(self, request: Request, signature: Mapping[str, str] | None = None) -> None:
        self.request = request
        self.signature = signature or {}

    @cached_property
    def _json(self) -> Any:
        return _parsed(self.request.body)

    @cached_property
    def _form(self) -> Mapping[str, list[str]]:
        # No provider signs Content-Type: whoever replays a body could hide its id by another one.
        return {} if self._json is not None else _fields(self.request.body.decode("latin-1"))

    @cached_property
    def _query(self) -> Mapping[str, list[str]]:
        return _fields(self.request.query)

    def read(self, atom: Atom) -> str | None:
        """Return the text at one place, or None if it is absent. Never raises."""
        match atom.place:
            case "header":
                return sole(self.request.all(atom.name))
            case "body":
                return _scalar(_walk(self._json, atom.path))
            case "query":
                return sole(self._query.get(atom.name, []))
            case "signature":
                return self.signature.get(atom.name) or None
            case "form":
                value = sole(self._form.get(atom.name, []))
                if value is None or not atom.path:
                    return value
                return _scalar(_walk(_parsed(value), atom.path))


def sole(values: Iterable[str]) -> str | None:
    """Return the one value there is; None for none, or for several different ones (ambiguous)."""
    distinct = set(values)
    return (distinct.pop() or None) if len(distinct) == 1 else None


def _parsed(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _fields(text: str) -> Mapping[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}


def _walk(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit():
            index = int(step)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    return str(value) or None if isinstance(value, str | int) else None
