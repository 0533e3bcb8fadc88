"""A stored request as its sender made it, as far as today's secrets can tell. Pure.

Credentials are stored as keyed digests. Whether a digest stands for what a secret would have been
sent as is decided by concealing just that again and comparing, in constant time; where it does, the
value is put back, and ``verify`` sees the request that came.
"""

import base64
import hmac
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from ingest.credentials import CredentialKey, concealed
from ingest.verify import Provider, Request, Secret


def restored(
    request: Request, provider: Provider, secrets: Sequence[Secret], key: CredentialKey
) -> Request:
    """Put back every credential that one of the secrets makes; others stay digests."""
    headers = tuple(
        (name, _header(name, value, provider, secrets, key) if concealed(value) else value)
        for name, value in request.headers
    )
    address, mark, query = request.url.partition("?")
    if concealed(query):
        query = _query(query, provider, secrets, key)
    return Request(request.method, address + mark + query, headers, request.body)


def unrestored(request: Request, provider: Provider) -> bool:
    """Whether a credential that the scheme asks for is still a digest."""
    if provider.family not in ("token", "basic"):
        return False
    carried = [value for name in provider.header for value in request.all(name)]
    return any(concealed(value) for value in carried) or concealed(request.query)


def _header(
    name: str, stored: str, provider: Provider, secrets: Sequence[Secret], key: CredentialKey
) -> str:
    scheme, space, _ = stored.partition(" ")
    found = stored
    for text in _texts(provider, secrets):
        for spelled in (text, f"{scheme} {text}") if space else (text,):
            ((_, again),) = key.conceal_headers(((name, spelled),), {name})
            if _same(again, stored):
                found = spelled
    return found


def _query(query: str, provider: Provider, secrets: Sequence[Secret], key: CredentialKey) -> str:
    parts = []
    for part in query.split("&"):
        name, equals, stored = part.partition("=")
        found = stored
        for text in _texts(provider, secrets):
            if _same(key.digest(text), stored):
                found = quote(text, safe="", encoding="latin-1")
        parts.append(name + equals + found)
    return "&".join(parts)


def _texts(provider: Provider, secrets: Sequence[Secret]) -> Iterator[str]:
    """What may have stood there for each secret: itself, behind its prefix, as HTTP Basic."""
    for secret in secrets:
        text = secret.value.decode("latin-1")
        yield text
        for prefix in {provider.prefix, provider.optional_prefix} - {""}:
            yield prefix + text
        yield base64.b64encode(secret.value).decode()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
