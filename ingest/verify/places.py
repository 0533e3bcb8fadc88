"""The places in a request that text is read from, and the reading of them.

``header:X``, ``body`` (all of it), ``body:a.b.0.c`` (JSON), ``form:field`` and
``form:field.a.b`` (JSON in a form), ``query:p``,
``signature:t`` (a key of the signature header, or a number where it has no keys),
``option:x`` (of the source, never of the request), ``claim:a.b`` (of a token that was proven). A
body is a form where it is no JSON, whatever its Content-Type. Absent: missing, empty, neither text
nor a whole number, or what came twice with different values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, get_args
from urllib.parse import parse_qs

import orjson

from ingest.verify.key_set import NO_KEYS, KeySet
from ingest.verify.multipart import multipart_fields
from ingest.verify.request import Request

Place = Literal["header", "body", "form", "query", "signature", "option", "claim"]

_FIRST: Final = "0"
_MOST_FIELDS: Final = 1_000  # of a form or a query: more is not a webhook
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_UNREAD: Final = object()


class Atom(NamedTuple):
    """One place: ``header:webhook-id``, ``body:event.type``. ``name`` is lower-case for headers.

    A named tuple, because the atoms of every event are looked up in a set.
    """

    place: Place
    name: str
    path: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Atom:
        """Read ``place:rest``. Raises ValueError that names the places there are."""
        place, colon, rest = text.strip().partition(":")
        if text.strip() == "body":
            return WHOLE_BODY
        if not colon or not rest:
            raise ValueError(
                f"{text!r} names no place; write one of {_places()}, as header:X-Event"
            )
        match place:
            case "header":
                return cls("header", rest.lower())
            case "body" | "claim":
                return cls(place, "", tuple(rest.split(".")))
            case "form":
                name, _, path = rest.partition(".")
                return cls("form", name, tuple(path.split(".")) if path else ())
            case "query" | "signature" | "option":
                return cls(place, rest)
            case _:
                raise ValueError(f"{place!r} is no place to read from; there are {_places()}")


#: ``body``, without a path: all of it, as a token that came alone.
WHOLE_BODY: Final = Atom("body", "")


def _places() -> str:
    return ", ".join(f"{place}:" for place in get_args(Place))


class Reading:
    """One request while it is being read: parsed at most once, and only when something asks.

    ``options`` are the source's. ``keys`` are those that were fetched, ``now`` is in ms (None: no
    clock). ``signature`` and ``claims`` are filled in by whoever takes the signature apart.
    """

    def __init__(
        self,
        request: Request,
        signature: Mapping[str, str] = _NOTHING,
        options: Mapping[str, str] = _NOTHING,
        keys: KeySet = NO_KEYS,
        now: int | None = None,
    ) -> None:
        self.request = request
        self.signature = signature
        self.options = options
        self.keys = keys
        self.now = now
        self.claims: Mapping[str, Any] = {}
        # Not cached_property: until Python 3.12 it takes a lock, which costs more than the rest.
        self._parsed: Any = _UNREAD
        self._fields: Mapping[str, list[str]] | None = None
        self._parameters: Mapping[str, list[str]] | None = None

    @property
    def _json(self) -> Any:
        if self._parsed is _UNREAD:
            self._parsed = _parsed(self.request.body)
        return self._parsed

    @property
    def _form(self) -> Mapping[str, list[str]]:
        if self._fields is None:
            self._fields = self._read_form()
        return self._fields

    @property
    def _query(self) -> Mapping[str, list[str]]:
        if self._parameters is None:
            self._parameters = _fields(self.request.query)
        return self._parameters

    def _read_form(self) -> Mapping[str, list[str]]:
        # No provider signs Content-Type: whoever replays a body could hide its id by another one.
        if self._json is not None:
            return {}
        fields = multipart_fields(self.request.body, _MOST_FIELDS)
        return _fields(self.request.body.decode("latin-1")) if fields is None else fields

    def read(self, atom: Atom) -> str | None:
        """Return the text at one place, or None if it is absent. Never raises."""
        if atom.place == "header":  # most are, and text is all that stands there
            return sole(self.request.all(atom.name))
        value = self._value(atom)
        return None if isinstance(value, bool) else scalar(value)

    def read_one(self, atom: Atom) -> Sequence[str]:
        """Return the text at one place in a list; [] if it is absent."""
        value = self.read(atom)
        return [] if value is None else [value]

    def read_each(self, atom: Atom) -> Sequence[str]:
        """Return the text of every item of the list in which the path names the first.

        [] where one lacks it: what is said of a batch is said of each of its items.
        """
        at = atom.path.index(_FIRST)
        items = _walk(self._json, atom.path[:at])
        if not isinstance(items, list):
            return []
        found = [scalar(_walk(item, atom.path[at + 1 :])) for item in items]
        texts = [text for text in found if text is not None]
        return texts if len(texts) == len(items) else []

    def read_signed(self, atom: Atom) -> str | None:
        """Return the text as a sender signs it: ``true`` and ``false`` are text, too."""
        return scalar(self._value(atom))

    def _value(self, atom: Atom) -> Any:
        match atom.place:
            case "header":
                return sole(self.request.all(atom.name))
            case "body":
                return _walk(self._json, atom.path) if atom.path else self._text
            case "claim":
                return _walk(self.claims, atom.path)
            case "query":
                return sole(self._query.get(atom.name, []))
            case "form":
                value = sole(self._form.get(atom.name, []))
                return _walk(_parsed(value), atom.path) if value and atom.path else value
            case "signature" | "option":
                return (self.signature if atom.place == "signature" else self.options).get(
                    atom.name
                )

    @property
    def _text(self) -> str:
        return self.request.body.decode("latin-1").strip()


def sole(values: Sequence[str]) -> str | None:
    """Return the one value there is; None for none, or for several different ones (ambiguous)."""
    if len(values) == 1:
        return values[0] or None
    distinct = set(values)
    return (distinct.pop() or None) if len(distinct) == 1 else None


def scalar(value: Any) -> str | None:
    """Spell a JSON value as text; None for what is no text, whole number or truth value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or None if isinstance(value, str | int) else None


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
