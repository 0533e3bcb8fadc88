"""Which header and query values are credentials, and so never stored or forwarded in the clear."""

from __future__ import annotations

from typing import Final

from ingest.verify.provider import Provider

_ALWAYS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


def credential_headers(provider: Provider) -> frozenset[str]:
    """Lower-case names. Signatures are no credentials: they open nothing but their own request.

    Not even one that stands in Authorization (Microsoft Teams): kept as a digest, it could not be
    verified again.
    """
    named = {name.lower() for name in provider.header}
    if provider.family in ("token", "basic") or _bearer(provider):
        return _ALWAYS | provider.credential_headers | named
    if provider.family == "none":
        return _ALWAYS | provider.credential_headers
    return (_ALWAYS - named) | provider.credential_headers


def _bearer(provider: Provider) -> bool:
    """Whether its signature is a token that opens any request, whatever that holds."""
    bound = (provider.body_claim, provider.detached, provider.builder) != (None, None, None)
    return provider.family == "jwt" and not bound


def credential_query(provider: Provider) -> frozenset[str]:
    """Names of query parameters, as spelled in the URL."""
    token = {
        atom.name
        for atom in provider.signature
        if provider.family == "token" and atom.place == "query"
    }
    return provider.credential_query | token
