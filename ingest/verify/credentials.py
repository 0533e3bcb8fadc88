"""Which header and query values are credentials, and so never stored or forwarded in the clear."""

from __future__ import annotations

from typing import Final

from ingest.verify.provider import Provider

_ALWAYS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


def credential_headers(provider: Provider) -> frozenset[str]:
    """Lower-case names. Signatures are no credentials: they open nothing but their own request."""
    if provider.family not in ("token", "basic"):
        return _ALWAYS | provider.credential_headers
    bearers = {name.lower() for name in provider.header}
    return _ALWAYS | provider.credential_headers | bearers


def credential_query(provider: Provider) -> frozenset[str]:
    """Names of query parameters, as spelled in the URL."""
    token = {provider.query} if provider.query is not None else set()
    return provider.credential_query | token
