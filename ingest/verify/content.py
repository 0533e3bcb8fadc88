"""The content template: exactly which bytes a signature is computed over.

Text with atoms: ``{body}`` the raw body, ``{ts}`` the timestamp and ``{id}`` the event id exactly
as sent, ``{method}``, ``{url}``, and ``{header:X}``. So ``v0:{ts}:{body}`` or ``{ts}.{body}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ingest.verify.places import sole
from ingest.verify.request import Request

_TOKEN: Final = re.compile(r"\{([^{}]*)\}|([^{}]+)|(.)", re.DOTALL)
_ATOMS: Final = frozenset({"body", "ts", "id", "method", "url"})


@dataclass(frozen=True)
class Content:
    """A compiled template: literal bytes and the names of atoms, in order."""

    pieces: tuple[bytes | str, ...]

    @classmethod
    def parse(cls, source: str | Content) -> Content:
        """Compile a template. Raises ValueError that names an atom it does not know."""
        if isinstance(source, Content):
            return source
        pieces: list[bytes | str] = []
        for atom, literal, stray in _TOKEN.findall(source):
            if stray:
                raise ValueError(f"braces do not pair up in {source!r}")
            pieces.append(literal.encode() if literal else _atom(atom))
        return cls(tuple(pieces))

    @cached_property
    def atoms(self) -> frozenset[str]:
        """The atoms in it: ``body``, ``ts``, ``header:x-nonce``."""
        return frozenset(piece for piece in self.pieces if isinstance(piece, str))

    def render(self, request: Request, values: Mapping[str, str | None]) -> bytes | str:
        """Build the signed bytes; or name, as text, the first atom that the request lacks.

        ``values`` holds what was read for ``ts`` and ``id``.
        """
        parts: list[bytes] = []
        for piece in self.pieces:
            part = piece if isinstance(piece, bytes) else _read(piece, request, values)
            if part is None:
                return str(piece)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _atom(name: str) -> str:
    place, _, header = name.partition(":")
    if place == "header" and header:
        return f"header:{header.lower()}"
    if name not in _ATOMS:
        known = ", ".join(f"{{{atom}}}" for atom in sorted(_ATOMS))
        raise ValueError(
            f"{{{name}}} is no atom of a content template; there are {known}, {{header:X}}"
        )
    return name


def _read(atom: str, request: Request, values: Mapping[str, str | None]) -> bytes | None:
    if atom == "body":
        return request.body
    if atom == "method":
        return wire(request.method)
    if atom == "url":
        return wire(request.url)
    text = sole(request.all(atom[7:])) if atom.startswith("header:") else values.get(atom)
    return None if text is None else wire(text)


def wire(text: str) -> bytes:
    """Give back a header's bytes on the wire (latin-1); UTF-8 for text that never was there."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
