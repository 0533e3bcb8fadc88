"""Composes an event as a provider would send it, unsigned: from a sample, or from the entry alone.

The type and a fresh id are written where the entry reads them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.samples import Sample
from ingest.signing.bodies import new_draft
from ingest.signing.draft import Draft
from ingest.verify.cleaning import clean, clean_id
from ingest.verify.extract import Choice, Extractor, Group, Piece
from ingest.verify.places import Atom
from ingest.verify.provider import Provider

#: What the parts of a made-up type are called: ``example``, or ``example.created``.
_WORDS: Final = ("example", "created", "sent", "now")
_DIGITS: Final = re.compile("[0-9]+")


@dataclass(frozen=True)
class Composed:
    """An event that waits for its signature, and what the receiver has to read from it.

    ``event_type`` is "" and ``event_id`` None where the entry reads none.
    """

    draft: Draft
    event_type: str
    event_id: str | None


def compose(
    provider: Provider,
    url: str,
    event_id: str,
    now: int,
    *,
    event_type: str = "",
    sample: Sample | None = None,
    verbatim: bool = False,
) -> Composed:
    """Compose one event. ``event_id`` is a fresh UUID, ``now`` in ms.

    ``event_type``: of an event that is made from the entry; "" for an example. ``verbatim``: of the
    sample's body no byte is changed. Raises ValueError for a type that the entry cannot have.
    """
    if sample is None:
        draft = new_draft(provider, url, event_id, now)
        event_type = event_type or _text(provider.event_type, draft) or _example(provider, draft)
    else:
        draft = Draft(url, sample.headers, sample.body, verbatim=verbatim)
        event_type = sample.event_type
    if provider.event_type is not None and event_type:
        _put_type(provider.event_type, draft, event_type)
    if provider.event_id is not None:
        _put_id(provider, draft, event_id, fill=sample is None)
    for atom in sorted(provider.content.places, key=str):
        if sample is None and atom.place in ("body", "form") and draft.read(atom) is None:
            draft.put(atom, str(now // 1_000) if "time" in _leaf(atom).lower() else "example")
    return Composed(draft, clean(_text(provider.event_type, draft) or ""), _id(provider, draft))


def _text(template: Extractor | None, draft: Draft) -> str | None:
    if template is None:
        return None
    reading = draft.reading()
    reading.claims = draft.claims
    found = template.extract(reading)
    return found.text if found else None


def _id(provider: Provider, draft: Draft) -> str | None:
    text = _text(provider.event_id, draft)
    return clean_id(text) if text else None


def _example(provider: Provider, draft: Draft) -> str:
    template = provider.event_type
    return "" if template is None else _spelled(_alternative(template, draft), iter(_WORDS))


def _spelled(pieces: Iterable[Piece], words: Iterator[str]) -> str:
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
        elif isinstance(piece, Group):
            text += _spelled(piece.pieces, words)
        else:
            text += next(words)
    return text


def _put_type(template: Extractor, draft: Draft, event_type: str) -> None:
    if _text(template, draft) == event_type:
        return
    pieces = _alternative(template, draft)
    values = _taken_apart(pieces, event_type)
    if values is None:
        shape = _spelled(pieces, iter(_WORDS))
        raise ValueError(f"the type {event_type!r} is not of this provider's form, as {shape!r} is")
    for choice, text in values:
        atom = _chosen(choice, draft)
        if draft.read(atom) != text and draft.is_free(atom):
            draft.put(atom, text)


def _taken_apart(pieces: Sequence[Piece], text: str) -> list[tuple[Choice, str]] | None:
    """Say what has to stand at each place so that the pieces spell the text; None if nothing."""
    choices: list[Choice] = []
    found = re.fullmatch(_pattern(pieces, choices), text, re.DOTALL)
    if found is None:
        return None
    return [(choice, part) for choice, part in zip(choices, found.groups(), strict=True) if part]


def _pattern(pieces: Iterable[Piece], choices: list[Choice]) -> str:
    pattern = ""
    for piece in pieces:
        if isinstance(piece, str):
            pattern += re.escape(piece)
        elif isinstance(piece, Group):
            pattern += f"(?:{_pattern(piece.pieces, choices)})?"
        else:
            choices.append(piece)
            pattern += "(.+?)"
    return pattern


def _put_id(provider: Provider, draft: Draft, event_id: str, *, fill: bool) -> None:
    template = provider.event_id
    if template is None:
        return
    pieces = _alternative(template, draft)
    taken = {
        atom
        for each in (provider.event_type, provider.timestamp)
        if each is not None
        for atom in each.atoms
    }
    places = [_chosen(choice, draft) for choice in _choices(pieces)]
    free = [atom for atom in places if atom not in taken and draft.is_free(atom)]
    if not fill:  # a sample without an id (a slash command) has none
        free = [atom for atom in free if atom.place == "header" or draft.read(atom) is not None]
    named = [atom for atom in free if _leaf(atom).lower().endswith("id")]
    fresh = (named or free)[-1:]
    for atom in free if fill else fresh:
        if atom in fresh:
            draft.put(atom, _renewed(draft.read(atom), event_id, _leaf(atom)))
        elif draft.read(atom) is None:
            draft.put(atom, "1")


def _renewed(old: str | None, event_id: str, name: str) -> str:
    """Give a fresh id of the old one's kind: a number, text with the same beginning, or a UUID."""
    number = str(int(hashlib.sha256(event_id.encode()).hexdigest()[:12], 16))
    if old is None:
        return number if "time" in name.lower() else event_id
    if _DIGITS.fullmatch(old):
        return number
    prefix, underscore, _ = old.rpartition("_")  # Stripe's ids begin with their kind: evt_
    return prefix + underscore + event_id.replace("-", "") if underscore else event_id


def _alternative(template: Extractor, draft: Draft) -> Sequence[Piece]:
    """Choose the template whose places there are in this request, else the first that may be."""
    reading = draft.reading()
    reading.claims = draft.claims
    for pieces in template.templates:
        if Extractor((pieces,)).extract(reading) is not None:
            return pieces
    fitting = [pieces for pieces in template.templates if _fits(pieces, draft)]
    return (fitting or list(template.templates))[0]


def _fits(pieces: Iterable[Piece], draft: Draft) -> bool:
    unfit = "body" if draft.is_form else "form"
    return all(atom.place != unfit for choice in _choices(pieces) for atom in choice.atoms[:1])


def _chosen(choice: Choice, draft: Draft) -> Atom:
    there = [atom for atom in choice.atoms if draft.read(atom) is not None]
    unfit = "body" if draft.is_form else "form"
    fitting = [atom for atom in choice.atoms if atom.place != unfit]
    return [*there, *fitting, *choice.atoms][0]


def _choices(pieces: Iterable[Piece]) -> list[Choice]:
    found: list[Choice] = []
    for piece in pieces:
        if isinstance(piece, Group):
            found += _choices(piece.pieces)
        elif isinstance(piece, Choice):
            found.append(piece)
    return found


def _leaf(atom: Atom) -> str:
    return atom.path[-1] if atom.path else atom.name
