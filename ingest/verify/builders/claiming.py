"""What the builders say alike: a claim on the entry's signatures, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ingest.verify.claims import Claim, carried_signatures
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

_MOST_PAIRS: Final = 100
_MOST_SIGNATURES: Final = 100


def claim(
    provider: Provider, reading: Reading, contents: Sequence[tuple[bytes, ...]]
) -> Sequence[Claim] | Rejected:
    """Claim that any signature, where the entry's words find it, fits any of the contents."""
    signatures = carried_signatures(provider, reading)
    return signatures if isinstance(signatures, Rejected) else [Claim(signatures, contents)]


def claim_of_every_header(
    provider: Provider, reading: Reading, contents: Sequence[tuple[bytes, ...]]
) -> Sequence[Claim] | Rejected:
    """Claim as ``claim`` does, but for the signatures of all named headers, not of the first."""
    values = [value for name in provider.header for value in reading.request.all(name)]
    if provider.carrier == "list":
        values = provider.separator.join(values).split(provider.separator, _MOST_SIGNATURES)
    signatures = [value.strip() for value in values if value.strip()][:_MOST_SIGNATURES]
    if not signatures:
        return _no_header(provider)
    return [Claim(signatures, contents)]


def pairs_of(provider: Provider, reading: Reading) -> Mapping[str, str] | Rejected:
    """Take the signature header apart into ``name=value`` pairs, the signatures among them.

    The reading keeps them: the entry's ``timestamp`` may be one (``signature:t``).
    """
    values = [value for name in provider.header for value in reading.request.all(name) if value]
    if not values:
        return _no_header(provider)
    pairs: dict[str, str] = {}
    for part in provider.separator.join(values).split(provider.separator, _MOST_PAIRS):
        name, equals, value = (text.strip() for text in part.partition("="))
        if equals and pairs.setdefault(name, value) != value:
            return unreadable("signature header, which contradicts itself")
    reading.signature = pairs
    return pairs


def lacks(header: str) -> Rejected:
    """Refuse a request without a header that the signature covers."""
    detail = f"the signature covers the {header} header, and the request has none, or two"
    return Rejected(Reason.MISSING_SIGNED_HEADER, detail)


def unreadable(what: str) -> Rejected:
    """Refuse a request whose signed parts cannot be read."""
    return Rejected(Reason.MALFORMED_SIGNATURE, f"cannot read the {what}")


def _no_header(provider: Provider) -> Rejected:
    names = " or ".join(provider.header)
    return Rejected(Reason.MISSING_SIGNATURE, f"the request carries no {names} header")
