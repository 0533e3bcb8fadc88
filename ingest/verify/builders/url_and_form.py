"""Signatures over the URL and the sorted fields of a form: Twilio, Mandrill, Plivo.

The URL is the one that the sender was given, so the receiver must know its public URL.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import SplitResult, parse_qs, urlparse, urlsplit, urlunparse

from ingest.verify.builders.claiming import claim, claim_of_every_header, lacks, unreadable
from ingest.verify.builders.form_pairs import Pairs, form_pairs
from ingest.verify.claims import Claim
from ingest.verify.content import wire
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Request


def twilio(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the URL and the form's distinct pairs, sorted; of the URL alone for a JSON body.

    A JSON body is named by the parameter ``bodySHA256`` of the signed URL. Twilio signs the URL
    sometimes with its port and sometimes without, so both count.

    https://www.twilio.com/docs/usage/security#validating-requests; twilio-python 9.13
    ``request_validator.py``.
    """
    request = reading.request
    posted = [] if _names_body(request) else form_pairs(request.body)
    if posted is None:
        return unreadable("form")
    signed = _joined(sorted(set(posted)))
    return claim(provider, reading, [(wire(url) + signed,) for url in _ports(request.url)])


def _names_body(request: Request) -> bool:
    """Whether the URL's first ``bodySHA256`` is the body's, as twilio-python takes it."""
    try:
        named = parse_qs(request.query, max_num_fields=1_000).get("bodySHA256", [""])[0]
    except ValueError:
        return False
    made = hashlib.sha256(request.body).hexdigest().encode()
    return hmac.compare_digest(made, named.encode("utf-8", "surrogatepass"))


def _ports(url: str) -> list[str]:
    """Give the URL as it came, and both with and without a port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [url]
    if not parts.netloc:
        return [url]
    bare = parts.netloc.removesuffix(f":{port}") if port is not None else parts.netloc
    usual = 443 if parts.scheme == "https" else 80
    with_port = f"{bare}:{port if port is not None else usual}"
    return list(dict.fromkeys([url, _at(parts, bare), _at(parts, with_port)]))


def _at(parts: SplitResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()


def mandrill(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the webhook's URL and the form's pairs, sorted by name.

    https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
    #authenticating-webhook-requests; django-anymail 15.2 ``webhooks/mandrill.py``. Of a name that
    comes twice, both values count: what a reader may take must be signed.
    """
    posted = form_pairs(reading.request.body)
    if posted is None:
        return unreadable("form")
    return claim(provider, reading, [(wire(reading.request.url) + _joined(sorted(posted)),)])


def plivo_v2(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the URL without its query, and the nonce. It covers no part of the body.

    plivo-python 4.63 ``utils/__init__.py``: ``validate_signature``. Beside the signature of a
    subaccount there is one of its main account (``-Ma-``); either proves the request.
    """
    nonce = sole(reading.request.all("X-Plivo-Signature-V2-Nonce"))
    if nonce is None:
        return lacks("X-Plivo-Signature-V2-Nonce")
    url, _ = _split(reading.request.url)
    return claim_of_every_header(provider, reading, [(wire(url) + wire(nonce),)])


def plivo_v3(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the URL, its sorted query, the form's sorted pairs, and the nonce.

    https://www.plivo.com/docs/voice/concepts/signature-validation; plivo-python 4.63
    ``utils/signature_v3.py``: ``url?a=1&b=2.k1v1k2v2.nonce``, where a URL without a query still
    has its ``?`` before posted pairs.
    """
    request = reading.request
    nonce = sole(request.all("X-Plivo-Signature-V3-Nonce"))
    if nonce is None:
        return lacks("X-Plivo-Signature-V3-Nonce")
    url, query = _split(request.url)
    if request.method == "GET" and request.body:
        return unreadable("body of a GET, which Plivo neither sends nor signs")
    asked = form_pairs(wire(query))
    posted = [] if request.method == "GET" else form_pairs(request.body)
    if asked is None or posted is None:
        return unreadable("form")
    content = wire(url) + _plivo_fields(sorted(asked), sorted(posted)) + b"." + wire(nonce)
    return claim_of_every_header(provider, reading, [(content,)])


def _plivo_fields(asked: Pairs, posted: Pairs) -> bytes:
    query = b"&".join(name + b"=" + value for name, value in asked)
    if not asked and not posted:
        return b""
    return b"?" + query + (b"." if asked and posted else b"") + _joined(posted)


def _split(url: str) -> tuple[str, str]:
    """Cut a URL into what stands before ``;params?query#fragment``, and the query."""
    try:
        parts = urlparse(url)
    except ValueError:
        return url, ""
    return urlunparse((parts.scheme, parts.netloc, parts.path, "", "", "")), parts.query


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(name + value for name, value in pairs)
