"""Keygen: HTTP signatures of draft-cavage-http-signatures-12 over line, host, date and digest."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from ingest.verify.builders.claiming import lacks, unreadable
from ingest.verify.claims import Claim, carried_signatures
from ingest.verify.content import wire
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Request

_SIGNED: Final = ("(request-target)", "host", "date", "digest")


def keygen(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Claim the four lines, in the one order that Keygen signs; the body by its digest.

    https://keygen.sh/docs/api/signatures/ ("Response signatures", which webhooks have too). The
    host is the one in the URL that the sender was given, not the one that a proxy wrote.
    """
    request = reading.request
    digest, date = sole(request.all("digest")), sole(request.all("date"))
    if digest is None:
        return lacks("digest")
    if date is None:
        return lacks("date")
    made = "sha-256=" + base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    if not hmac.compare_digest(made.encode(), digest.encode("utf-8", "surrogatepass")):
        return unreadable("body by its Digest header: another body, or another digest than SHA-256")
    values = (_target(request), _host(request), date, digest)
    lines = (f"{name}: {value}" for name, value in zip(_SIGNED, values, strict=True))
    signatures = carried_signatures(provider, reading)
    if isinstance(signatures, Rejected):
        return signatures
    return [Claim([text.strip('"') for text in signatures], [(wire("\n".join(lines)),)])]


def _target(request: Request) -> str:
    parts = request.url.partition("#")[0].split("://", 1)[-1].partition("/")
    path = parts[2] if "://" in request.url else request.url.lstrip("/")
    return f"{request.method.lower()} /{path}"


def _host(request: Request) -> str:
    try:
        netloc = urlsplit(request.url).netloc
    except ValueError:
        netloc = ""
    return netloc or sole(request.all("host")) or ""
