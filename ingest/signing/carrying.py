"""Puts a signature, or a token, where the provider carries it: ``verify/carrier.py`` reversed."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.signing.draft import Draft
from ingest.signing.dressing import wrapped
from ingest.verify.places import Atom
from ingest.verify.provider import Provider
from ingest.verify.request import Request


def carry(
    provider: Provider, draft: Draft, text: str, options: Mapping[str, str], number: int = 0
) -> Request:
    """Return the request with the encoded signature in it; the draft stays without.

    ``number``: of the secret, where each has a header of its own.
    """
    sealed = draft.copy()
    item = _joined(provider, sealed, provider.prefix + wrapped(provider, text, options))
    if provider.header:
        sealed.put_header(_header(provider, number), item)
    else:
        sealed.put(_place(provider, sealed), item)
    return sealed.request()


def _header(provider: Provider, number: int) -> str:
    if provider.numbered_header is not None:
        return f"{provider.header[0][:-1]}{number + 1}"
    if not provider.header_per_secret:
        return provider.header[0]
    return provider.header[min(number, len(provider.header) - 1)]


def _joined(provider: Provider, draft: Draft, item: str) -> str:
    match provider.carrier:
        case "positional":
            return provider.separator.join([draft.pairs.get("0", ""), item])
        case "pairs":
            pairs = draft.pairs | {provider.signature_key[0]: item}
            assigned = (f"{name}{provider.assignment}{text}" for name, text in pairs.items())
            return provider.separator.join(assigned)
        case _:
            return item


def _place(provider: Provider, draft: Draft) -> Atom:
    """Choose the place that fits the body, where an entry names one of JSON and one of a form."""
    unfit = "body" if draft.is_form else "form"
    fitting = [atom for atom in provider.signature if atom.place != unfit]
    return (fitting or list(provider.signature))[0]
