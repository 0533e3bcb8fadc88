"""What a request asserts: these signatures are over these bytes. Nothing is compared here.

Every signed scheme comes down to claims, whose makers are the carrier and the content template of
the entry, or one of ``builders/``. The families hold them against keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ingest.verify.carrier import read_carrier
from ingest.verify.extract import Extractor
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected
from ingest.verify.words import Algorithm


class Claim(NamedTuple):
    """What the sender asserts of one thing: it holds if any signature fits any content.

    ``signatures``: as carried, without prefix. ``contents``: alternatives, such as a URL with its
    port and without; the key belongs between the pieces of one where the scheme puts it inside.
    """

    signatures: Sequence[str]
    contents: Sequence[tuple[bytes, ...]]


def template_claims(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Claim what the entry's carrier holds over what its content template makes."""
    signatures = carried_signatures(provider, reading)
    if isinstance(signatures, Rejected):
        return signatures
    content = signed_content(provider, reading)
    return content if isinstance(content, Rejected) else [Claim(signatures, [content])]


def carried_signatures(provider: Provider, reading: Reading) -> Sequence[str] | Rejected:
    """Read the signatures, without prefix, and lay the pairs beside them open to ``signature:``."""
    carried = read_carrier(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    reading.signature = carried.pairs
    found = [text for item in carried.items if (text := without_prefix(provider, item))]
    if found:
        return found
    shape = f"{provider.prefix}<{provider.encoding}>"
    return Rejected(
        Reason.MALFORMED_SIGNATURE, f"what the request carries is no signature of the form {shape}"
    )


def without_prefix(provider: Provider, item: str) -> str | None:
    """Cut the entry's prefix off; None where an item lacks the one it must have."""
    if not item.startswith(provider.prefix):
        return item if provider.prefix_optional else None
    return item[len(provider.prefix) :].removeprefix(provider.optional_prefix)


def signed_content(provider: Provider, reading: Reading) -> tuple[bytes, ...] | Rejected:
    """Build the bytes that the sender signed, or say which part of them the request lacks."""
    values: Mapping[str, str | None] = {
        name: _text(template, reading)
        for name, template in (("ts", provider.timestamp), ("id", provider.event_id))
        if name in provider.content.atoms
    }
    content = provider.content.render(reading, values)
    return content if isinstance(content, tuple) else _lacking(provider, content)


def algorithm_of(provider: Provider, reading: Reading) -> Algorithm | Rejected:
    """Name the digest: the entry's own, or that among its list which the request names."""
    if provider.algorithm_place is None:
        return provider.algorithm
    named = reading.read(provider.algorithm_place)
    chosen = provider.algorithms.get(named or "")
    if chosen is None:
        return Rejected(
            Reason.MALFORMED_SIGNATURE,
            "the request names no algorithm, or one that this provider does not use",
        )
    return chosen


def _lacking(provider: Provider, atom: str) -> Rejected:
    places = provider.timestamp.atoms if atom == "ts" and provider.timestamp else frozenset()
    if any(place.place == "signature" for place in places):
        names = " or ".join(sorted(place.name for place in places))
        where = " or ".join(provider.header)
        detail = f"{where} holds no {names}, the timestamp that is signed"
        return Rejected(Reason.MALFORMED_SIGNATURE, detail)
    word = {"ts": "timestamp", "id": "id"}.get(atom, atom)
    detail = f"the signature covers the {word}, and the request has none"
    return Rejected(Reason.MISSING_SIGNED_HEADER, detail)


def _text(template: Extractor | None, reading: Reading) -> str | None:
    found = template.extract(reading) if template else None
    return found.text if found else None
