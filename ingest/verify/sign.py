"""Signs as a provider would: for ``hookkeeper send`` and for tests."""

from __future__ import annotations

import base64

from ingest.verify.extract import Choice, Extractor
from ingest.verify.families import hmac_signature
from ingest.verify.freshness import to_text
from ingest.verify.keys import decode_key
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Request

Headers = list[tuple[str, str]]


def sign(
    provider: Provider,
    body: bytes,
    secret: bytes,
    now: int,
    event_type: str = "",
    event_id: str | None = None,
    *,
    request: Request | None = None,
) -> Headers:
    """Make the headers that this provider would send with the body.

    ``secret`` is as the provider shows it; b"" where the family needs none. ``now`` is in ms. Type
    and id become headers where the provider has such; in a body they are the caller's.
    ``request`` gives method, URL and other headers where the scheme signs those. Raises ValueError
    where the secret cannot be used or something that is signed is missing.
    """
    base = request or Request("POST", "", (), b"")
    headers = _describing(provider, body, event_type, event_id)
    if provider.family in ("hmac", "standard_webhooks"):
        signed = Request(base.method, base.url, (*base.headers, *headers), body)
        return headers + _signature(provider, signed, secret, now)
    if provider.family == "token" and provider.header:
        return [*headers, (provider.header[0], provider.prefix + secret.decode("latin-1"))]
    if provider.family == "basic":
        credentials = base64.b64encode(secret).decode()
        return [*headers, (provider.header[0], f"Basic {credentials}")]
    return headers


def _signature(provider: Provider, request: Request, secret: bytes, now: int) -> Headers:
    stamp = to_text(now, provider.timestamp_format)
    place = _first_place(provider.timestamp)
    headers: Headers = []
    if place is not None and place.place == "header":
        headers.append((place.name, stamp))
    pairs = {place.name: stamp} if place is not None and place.place == "signature" else {}
    complete = Request(request.method, request.url, (*request.headers, *headers), request.body)
    made = provider.prefix + _compute(provider, Reading(complete, pairs), secret)
    if provider.signature_key is not None:
        pairs[provider.signature_key] = made
        made = provider.separator.join(f"{key}={value}" for key, value in pairs.items())
    return [*headers, (provider.header[0], made)]


def _compute(provider: Provider, reading: Reading, secret: bytes) -> str:
    key = decode_key(provider.secret_format, secret)
    content = hmac_signature.signed_content(provider, reading)
    if isinstance(content, Rejected):
        raise ValueError(content.detail)  # noqa: TRY004 -- a missing header is no wrong type
    if key is None:
        raise ValueError(f"the secret is empty or not of the format {provider.secret_format!r}")
    return hmac_signature.make_signature(provider, key, content).decode()


def _describing(provider: Provider, body: bytes, event_type: str, event_id: str | None) -> Headers:
    headers: Headers = []
    place = _first_place(provider.event_type)
    if place is not None and place.place == "header" and provider.event_type and event_type:
        headers.append((place.name, event_type.removesuffix(_rest(provider.event_type, body))))
    place = _first_place(provider.event_id)
    if place is not None and place.place == "header" and event_id:
        headers.append((place.name, event_id))
    return headers


def _first_place(template: Extractor | None) -> Atom | None:
    piece = template.templates[0][0] if template else None
    return piece.atoms[0] if isinstance(piece, Choice) else None


def _rest(template: Extractor, body: bytes) -> str:
    """What the template adds behind its first place: ``.assigned`` from a body of GitHub's."""
    rest = Extractor((template.templates[0][1:],))
    found = rest.extract(Reading(Request("POST", "", (), body)))
    return found.text if found else ""
