"""The content template: exactly which bytes a signature is computed over.

Text with atoms: ``{body}`` the raw body, ``{ts}`` the timestamp and ``{id}`` the event id exactly
as sent, ``{method}``, ``{url}`` and its parts ``{path}``, ``{query}``, ``{host}``, digests such as
``{body_sha256_hex}``, ``{secret}``, and any place of ``places.py``: ``{header:X}``, ``{body:a.b}``.
``?`` behind a place makes it "" where it is absent. Doubled braces are braces. So
``v0:{ts}:{body}``.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ingest.verify.inflating import inflated
from ingest.verify.places import Atom, Reading, sole
from ingest.verify.request import Request

_TOKEN: Final = re.compile(r"(\{\{|\}\})|\{([^{}]*)\}|([^{}]+)|(.)", re.DOTALL)
_NAMED: Final = frozenset({"ts", "id"})
SECRET: Final = "secret"  # noqa: S105 -- the name of an atom


@dataclass(frozen=True, slots=True)
class Part:
    """An atom of the template, such as ``body`` or ``header:x-nonce``; a place has its ``atom``."""

    name: str
    atom: Atom | None = None
    optional: bool = False


@dataclass(frozen=True)
class Content:
    """A compiled template: literal bytes and atoms, in order."""

    pieces: tuple[bytes | Part, ...]

    @classmethod
    def parse(cls, source: str | Content) -> Content:
        """Compile a template. Raises ValueError that names an atom it does not know."""
        if isinstance(source, Content):
            return source
        pieces: list[bytes | Part] = []
        for brace, atom, literal, stray in _TOKEN.findall(source):
            if stray:
                raise ValueError(f"braces do not pair up in {source!r}")
            text = brace[:1] or literal
            pieces.append(text.encode() if text else _part(atom))
        return cls(tuple(pieces))

    @cached_property
    def atoms(self) -> frozenset[str]:
        """The atoms in it: ``body``, ``ts``, ``header:x-nonce``."""
        return frozenset(piece.name for piece in self.pieces if isinstance(piece, Part))

    @cached_property
    def places(self) -> frozenset[Atom]:
        """The places in it."""
        parts = (piece for piece in self.pieces if isinstance(piece, Part))
        return frozenset(part.atom for part in parts if part.atom is not None)

    @cached_property
    def covers_body(self) -> bool:
        """Whether no byte of the body can be changed without changing the content."""
        return not self.atoms.isdisjoint(_WHOLE_BODY)

    @cached_property
    def is_body(self) -> bool:
        """Whether it is the body, and nothing else."""
        return self.pieces == (Part("body"),)

    def render(self, reading: Reading, values: Mapping[str, str | None]) -> tuple[bytes, ...] | str:
        """Build the signed bytes; or name, as text, the first atom that the request lacks.

        ``values`` holds what was read for ``ts`` and ``id``. The secret belongs between the
        pieces: one piece where the template has no ``{secret}``.
        """
        if self.is_body:
            return (reading.request.body,)
        done: list[bytes] = []
        parts: list[bytes] = []
        for piece in self.pieces:
            if isinstance(piece, bytes):
                parts.append(piece)
            elif piece.name == SECRET:
                done.append(b"".join(parts))
                parts = []
            else:
                part = _read(piece, reading, values)
                if part is None:
                    return piece.name
                parts.append(part)
        return (*done, b"".join(parts))


def _part(text: str) -> Part:
    if text in _NAMED or text in _MADE or text == SECRET:
        return Part(text)
    place, colon, _ = text.partition(":")
    if not colon:
        known = ", ".join(f"{{{atom}}}" for atom in sorted({*_NAMED, *_MADE, SECRET}))
        raise ValueError(
            f"{{{text}}} is no atom of a content template; there are {known}, {{header:X}} and "
            "every other place"
        )
    name = text.removesuffix("?")
    return Part(name.lower() if place == "header" else name, Atom.parse(name), text.endswith("?"))


def _read(part: Part, reading: Reading, values: Mapping[str, str | None]) -> bytes | None:
    if part.atom is None:
        make = _MADE.get(part.name)
        if make is not None:
            return make(reading.request)
        text = values.get(part.name)
    elif part.atom.place == "header":
        text = sole(reading.request.all(part.atom.name))
    else:
        text = reading.read_signed(part.atom)
    if text is None:
        return b"" if part.optional else None
    return wire(text) if part.atom is None or part.atom.place == "header" else encoded(text)


def wire(text: str) -> bytes:
    """Give back a header's bytes on the wire (latin-1); UTF-8 for text that never was there."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def encoded(text: str) -> bytes:
    """Give back the bytes of text that was decoded from UTF-8, half characters included."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _path_and_query(url: str) -> str:
    parts = _split(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


_MADE: Final[Mapping[str, Callable[[Request], bytes | None]]] = {
    "body": lambda request: request.body,
    "method": lambda request: wire(request.method),
    "url": lambda request: wire(request.url),
    "url_without_query": lambda request: wire(request.url.partition("#")[0].partition("?")[0]),
    "path": lambda request: wire(_split(request.url).path),
    "query": lambda request: wire(request.query),
    "path_and_query": lambda request: wire(_path_and_query(request.url)),
    "host": lambda request: wire(_split(request.url).netloc),
    "body_sha256_hex": lambda request: hashlib.sha256(request.body).hexdigest().encode(),
    "body_sha256_base64": lambda request: base64.b64encode(hashlib.sha256(request.body).digest()),
    "body_crc32": lambda request: b"%d" % zlib.crc32(request.body),
    "body_base64url": lambda request: base64.urlsafe_b64encode(request.body).rstrip(b"="),
    "body_decompressed": lambda request: inflated(request.body),
}
#: CRC-32 is no digest, but PayPal signs nothing better of the body: see the entry.
_WHOLE_BODY: Final = frozenset(name for name in _MADE if name.startswith("body"))
