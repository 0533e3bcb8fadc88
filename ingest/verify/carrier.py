"""Takes the signatures, and what came with them, out of the signature header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.verify.places import sole
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Request

_MOST_SIGNATURES: Final = (
    100  # DocuSign's documented maximum is the largest; each costs a comparison
)


@dataclass(frozen=True, slots=True)
class Carried:
    """The items that may be signatures, prefixes still on, and the other pairs (``t``)."""

    items: tuple[str, ...]
    pairs: Mapping[str, str] = field(default_factory=dict)

    def signatures(self, prefix: str) -> list[str]:
        """Pick the items that begin with the prefix, and cut it off."""
        return [item[len(prefix) :] for item in self.items if item.startswith(prefix)]


def read_carrier(provider: Provider, request: Request) -> Carried | Rejected:
    """Split the signature header as the provider's ``carrier`` says.

    A header that came several times is one list (RFC 9110 §5.3); where only one signature can be
    carried, different ones are refused rather than chosen from.
    """
    values = _present(provider.header, request)
    if not values:
        names = " or ".join(provider.header)
        return Rejected(Reason.MISSING_SIGNATURE, f"the request carries no {names} header")
    carried = _split(provider, values)
    if carried is None:
        return Rejected(
            Reason.MALFORMED_SIGNATURE,
            f"the {provider.header[0]} header contradicts itself: it came with different values",
        )
    if len(carried.items) > _MOST_SIGNATURES:
        return Rejected(Reason.MALFORMED_SIGNATURE, f"more than {_MOST_SIGNATURES} signatures")
    return carried


def _present(names: Sequence[str], request: Request) -> list[str]:
    for name in names:
        values = [value for value in request.all(name) if value]
        if values:
            return values
    return []


def _split(provider: Provider, values: list[str]) -> Carried | None:
    match provider.carrier:
        case "plain":
            value = sole(values)
            return None if value is None else Carried((value,))
        case "list":
            return Carried(tuple(provider.separator.join(values).split(provider.separator)))
        case "pairs":
            return _split_pairs(provider, provider.separator.join(values))


def _split_pairs(provider: Provider, text: str) -> Carried | None:
    items: list[str] = []
    pairs: dict[str, str] = {}
    for part in text.split(provider.separator):
        key, equals, value = part.partition("=")
        if not equals:
            continue
        if key == provider.signature_key:
            items.append(value)
        elif pairs.setdefault(key, value) != value:
            return None
    return Carried(tuple(items), pairs)
