"""A request while it is being made: text is put at places, and read back as the receiver would.

The counterpart of ``verify/places.py``. A body that came as bytes stays those bytes until something
has to be put into it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import parse_qsl, quote_plus, urlencode

import orjson

from ingest.verify.places import Atom, Reading
from ingest.verify.request import Request

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_CONTENT_TYPE: Final = "content-type"
Pairs = tuple[tuple[str, str], ...]


class Draft:
    """One unsigned request. ``url`` is the one that the sender was given.

    ``verbatim``: of its body nothing is changed, but for a signature that stands in it. ``pairs``
    is what stands beside the signature in its own header (``t=..``), ``claims`` what a token says:
    both are written by whoever signs.
    """

    def __init__(
        self, url: str, headers: Pairs = (), body: bytes = b"", *, verbatim: bool = False
    ) -> None:
        self.verbatim = verbatim
        self.method = "POST"
        self.url = url
        self.headers = list(headers)
        self.pairs: dict[str, str] = {}
        self.claims: dict[str, Any] = {}
        self._body = body
        self._document: Any = None  # JSON that was changed, and stands for the body
        self._form: dict[str, Any] | None = None  # a form that was changed

    def copy(self) -> Self:
        """Another one that can be changed without changing this one."""
        other = copy.copy(self)
        other.headers = list(self.headers)
        other.pairs = dict(self.pairs)
        other._form = None if self._form is None else dict(self._form)  # noqa: SLF001 -- one of us
        return other  # JSON is never changed in place

    @property
    def is_form(self) -> bool:
        """Whether the body is one, by its content type."""
        kind = self.read(Atom("header", _CONTENT_TYPE)) or ""
        return kind.startswith(FORM)

    def is_free(self, atom: Atom) -> bool:
        """Whether something other than a signature may be put there."""
        return not (self.verbatim and atom.place in ("body", "form"))

    def request(self) -> Request:
        """Return the request as it is now."""
        return Request(self.method, self.url, tuple(self.headers), self.body)

    def reading(self, options: Mapping[str, str] | None = None) -> Reading:
        """Read it as the receiver does, but for the signature and the token."""
        return Reading(self.request(), options=options or {}, signature=dict(self.pairs))

    def read(self, atom: Atom) -> str | None:
        """Return the text at one place, or None if it is absent."""
        if atom.place == "header":  # without writing the body first
            found = [value for name, value in self.headers if name.lower() == atom.name]
            return found[0] if found else None
        reading = self.reading()
        reading.claims = self.claims
        return reading.read(atom)

    @property
    def body(self) -> bytes:
        """The bytes to post: as they came, or as they are after the last change."""
        if self._document is not None:
            return orjson.dumps(self._document)
        if self._form is not None:
            fields = [(name, _written(value)) for name, value in self._form.items()]
            return urlencode(fields).encode()
        return self._body

    def replace_body(self, body: bytes, content_type: str) -> None:
        """Take another body in place of the one there was."""
        self._body, self._document, self._form = body, None, None
        self.put_header("Content-Type", content_type)

    def put(self, atom: Atom, text: str) -> None:
        """Write text at a place. Raises ValueError where something of another shape stands."""
        match atom.place:
            case "header":
                self.put_header(atom.name, text)
            case "body" if not atom.path:
                self.replace_body(text.encode("latin-1"), "application/jwt")
            case "body":
                self._document = _with(self._opened_document(), atom.path, text)
            case "claim":
                self.claims = _with(self.claims, atom.path, text)
            case "form":
                self._put_field(atom, text)
            case "query":
                mark = "&" if "?" in self.url else "?"
                self.url += f"{mark}{quote_plus(atom.name)}={quote_plus(text)}"
            case "signature":
                self.pairs[atom.name] = text
            case "option":
                raise ValueError(f"the source has no option {atom.name!r}, which the sender needs")

    def put_header(self, name: str, value: str) -> None:
        """Set a header in place of one of its name."""
        kept = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        self.headers = [*kept, (name, value)]

    def _put_field(self, atom: Atom, text: str) -> None:
        if self._form is None:
            self._form = dict(parse_qsl(self._body.decode(), keep_blank_values=True))
        if not atom.path:
            self._form[atom.name] = text
            return
        held = self._form.get(atom.name, {})
        held = orjson.loads(held) if isinstance(held, str) else held
        self._form[atom.name] = _with(held, atom.path, text)

    def _opened_document(self) -> Any:
        if self._document is None:
            self._document = orjson.loads(self._body) if self._body else None
        return self._document


def _written(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _with(value: Any, path: tuple[str, ...], text: str) -> Any:
    """Return JSON with text at a path; what is on its way is made, or made anew."""
    if not path:
        return int(text) if type(value) is int and text.isdigit() else text
    step, *rest = path
    if step.isdigit() and not isinstance(value, dict):
        return _with_item(value, int(step), tuple(rest), text)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise ValueError(f"the body has no place for {step!r}")  # noqa: TRY004 -- of JSON
    return {**value, step: _with(value.get(step), tuple(rest), text)}


def _with_item(value: Any, index: int, rest: tuple[str, ...], text: str) -> Any:
    listed = list(value) if isinstance(value, list) else []
    listed += [None] * (index + 1 - len(listed))
    listed[index] = _with(listed[index], rest, text)
    return listed
