"""Takes the signatures, and what came with them, out of where the request carries them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from ingest.verify.places import Atom, Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

#: DocuSign's documented maximum is the largest; each costs a comparison.
MOST_SIGNATURES: Final = 100
_NUMBERED: Final = re.compile("[1-9][0-9]{0,2}")
_NO_PAIRS: Final[Mapping[str, str]] = MappingProxyType({})


class Carried(NamedTuple):
    """The items that may be signatures, prefixes still on, and the other pairs (``t``)."""

    items: tuple[str, ...]
    pairs: Mapping[str, str] = _NO_PAIRS


def read_carrier(provider: Provider, reading: Reading) -> Carried | Rejected:
    """Split what carries the signature as the provider's ``carrier`` says.

    A header that came several times is one list (RFC 9110 §5.3); where only one signature can be
    carried, different ones are refused rather than chosen from.
    """
    values = _present(provider, reading)
    if not values:
        return Rejected(Reason.MISSING_SIGNATURE, f"the request carries no {carrier_of(provider)}")
    carried = _split(provider, values)
    if carried is None:
        return Rejected(
            Reason.MALFORMED_SIGNATURE,
            f"the {carrier_of(provider)} contradicts itself: it came with different values",
        )
    if len(carried.items) > MOST_SIGNATURES:
        return Rejected(Reason.MALFORMED_SIGNATURE, f"more than {MOST_SIGNATURES} signatures")
    return carried


def header_of_secret(provider: Provider, reading: Reading, number: int) -> str | None:
    """Return what the header that belongs to the ``number``-th secret carries."""
    if number >= len(provider.header):
        return None
    return sole(reading.request.all(provider.header[number]))


def carrier_of(provider: Provider) -> str:
    """Name, for people, where a request carries its signature or token."""
    if provider.header:
        return " or ".join(provider.header) + " header"
    return " or ".join(_shown(atom) for atom in provider.signature)


def _shown(atom: Atom) -> str:
    name = ".".join(part for part in (atom.name, *atom.path) if part)
    return f"{atom.place} {'parameter' if atom.place == 'query' else 'field'} {name}"


def _present(provider: Provider, reading: Reading) -> list[str]:
    if provider.numbered_header is not None:
        return _numbered(provider.numbered_header, reading)
    if provider.header_per_secret or provider.every_header:
        return [value for name in provider.header for value in reading.request.all(name) if value]
    for name in provider.header:
        values = [value for value in reading.request.all(name) if value]
        if values:
            return values
    for atom in provider.signature:
        value = reading.read(atom)
        if value:
            return [value]
    return []


def _numbered(prefix: str, reading: Reading) -> list[str]:
    """Every ``X-DocuSign-Signature-1``, ``-2``, ... that is there."""
    return [
        value
        for name, value in reading.request.headers
        if value and name.lower().startswith(prefix) and _NUMBERED.fullmatch(name[len(prefix) :])
    ]


def _split(provider: Provider, values: list[str]) -> Carried | None:
    if provider.numbered_header is not None or provider.header_per_secret or provider.every_header:
        return Carried(tuple(values))
    match provider.carrier:
        case "plain":
            value = sole(values)
            return None if value is None else Carried((value,))
        case "list":
            return Carried(tuple(_parts(provider, values)))
        case "positional":
            stamp, *rest = _parts(provider, values)
            return Carried(tuple(rest), {"0": stamp})
        case "pairs":
            return _split_pairs(provider, values)


def _parts(provider: Provider, values: Sequence[str]) -> list[str]:
    """Split at the separator; blanks around a part (``t=1, v1=..``) are nobody's by default."""
    text = provider.separator.join(values)
    if provider.set_separator is not None:
        text = text.replace(provider.set_separator, provider.separator)
    parts = text.split(provider.separator, MOST_SIGNATURES + 1)
    strips = provider.separator.strip() and not provider.blanks_count
    return [part.strip() for part in parts] if strips else parts


def _split_pairs(provider: Provider, values: Sequence[str]) -> Carried | None:
    items: list[str] = []
    pairs: dict[str, str] = {}
    for part in _parts(provider, values):
        key, assigned, value = part.partition(provider.assignment)
        if not assigned:
            continue
        if key in provider.signature_key:
            items.append(value)
        elif pairs.setdefault(key, value) != value:
            return None
    return Carried(tuple(items), pairs)
