"""The extraction language: where a provider puts an event's type, its id and its timestamp.

A *template* is text with places in braces; a bare place needs no braces::

    header:X-Shopify-Topic
    {header:X-GitHub-Event}[.{body:action|form:payload.action}]

``places.py`` tells what places there are. ``a|b`` inside braces takes the first that is there.
``[...]`` is left out when something in it is absent. A list of templates takes the first that is
complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ingest.verify.places import Atom, Reading

_TOKEN: Final = re.compile(r"\{([^{}]*)\}|(\[)|(\])|([^{}\[\]]+)|(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives for one place, the first present one counts."""

    atoms: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Pieces that are left out together when one of them is absent."""

    pieces: tuple[str | Choice, ...]


Piece = str | Choice | Group


class Extracted(NamedTuple):
    """Text that was found, as sent, and the places it came from."""

    text: str
    atoms: list[Atom]


@dataclass(frozen=True, slots=True)
class Extractor:
    """A compiled template, or several of which the first complete one counts."""

    templates: tuple[tuple[Piece, ...], ...]

    @classmethod
    def parse(cls, source: str | Iterable[str] | Extractor) -> Extractor:
        """Compile a template or a list of them. Raises ValueError with what is wrong."""
        if isinstance(source, Extractor):
            return source
        texts = [source] if isinstance(source, str) else list(source)
        if not texts:
            raise ValueError("an empty list reads nothing; leave the key out instead")
        return cls(tuple(_compile(text) for text in texts))

    @property
    def atoms(self) -> frozenset[Atom]:
        """Every place that this may read."""
        return frozenset(atom for pieces in self.templates for atom in _atoms(pieces))

    def extract(self, reading: Reading) -> Extracted | None:
        """Return the first complete template's text, or None."""
        for pieces in self.templates:
            found = _fill(pieces, reading)
            if found is not None:
                return found
        return None


def _atoms(pieces: Iterable[Piece]) -> Iterable[Atom]:
    for piece in pieces:
        if isinstance(piece, Choice):
            yield from piece.atoms
        elif isinstance(piece, Group):
            yield from _atoms(piece.pieces)


def _fill(pieces: Iterable[Piece], reading: Reading) -> Extracted | None:
    text, used = "", []
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
        elif isinstance(piece, Group):
            found = _fill(piece.pieces, reading)
            if found is not None:
                text += found.text
                used += found.atoms
        else:
            for atom in piece.atoms:
                value = reading.read(atom)
                if value is not None:
                    break
            else:
                return None
            text += value
            used.append(atom)
    return Extracted(text, used)


def _compile(template: str) -> tuple[Piece, ...]:
    if "{" not in template:
        return (_choice(template),)
    pieces: list[Piece] = []
    group: list[str | Choice] | None = None
    for place, opens, closes, literal, stray in _TOKEN.findall(template):
        if stray or (opens and group is not None) or (closes and group is None):
            raise ValueError(f"braces or brackets do not pair up in {template!r}")
        if opens:
            group = []
        elif closes:
            pieces.append(Group(tuple(group or ())))
            group = None
        else:
            (pieces if group is None else group).append(literal or _choice(place))
    if group is not None:
        raise ValueError(f"a bracket is never closed in {template!r}")
    return tuple(pieces)


def _choice(places: str) -> Choice:
    return Choice(tuple(Atom.parse(place) for place in places.split("|")))
