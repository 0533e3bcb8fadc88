"""Mercado Pago: a manifest that leaves out what the notification lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import pairs_of, unreadable
from ingest.verify.claims import Claim
from ingest.verify.places import Atom, Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

_DATA_ID: Final = Atom.parse("query:data.id")


def mercadopago(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of ``id:{data.id};request-id:{x-request-id};ts:{ts};``, absent segments left out.

    The id is the URL's ``data.id``: as it came (mercadopago 3.6 ``webhook/validator.py``), or in
    lower case (https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/
    webhooks). The body is not covered.
    """
    carried = pairs_of(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    timestamp, signature = carried.get("ts"), carried.get("v1")
    if signature is None:
        return Rejected(Reason.MISSING_SIGNATURE, "x-signature carries no v1")
    if timestamp is None or not (timestamp.isascii() and timestamp.isdigit()):
        return unreadable("x-signature header, whose ts is no number")
    request_id = (sole(reading.request.all("x-request-id")) or "").strip()
    data_id = (reading.read(_DATA_ID) or "").strip()
    manifests = {_manifest(each, request_id, timestamp) for each in (data_id, data_id.lower())}
    return [Claim([signature], [(manifest,) for manifest in sorted(manifests)])]


def _manifest(data_id: str, request_id: str, timestamp: str) -> bytes:
    named = {"id": data_id, "request-id": request_id, "ts": timestamp}
    segments = (f"{name}:{value};" for name, value in named.items() if value)
    return "".join(segments).encode("utf-8", "surrogatepass")
