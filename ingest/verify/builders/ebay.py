"""eBay: the header is base64 of JSON, and the signature is a member of it."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from ingest.verify.builders.claiming import unreadable
from ingest.verify.carrier import read_carrier
from ingest.verify.claims import Claim
from ingest.verify.keys import decode_base64
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected


def ebay(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Claim the body with ``signature`` of ``{"alg":"ecdsa","kid":..,"signature":..,"digest":..}``.

    https://github.com/eBay/event-notification-nodejs-sdk (``lib/validator.js``). The digest is
    SHA-1 whatever the header says: the header is not signed.
    """
    carried = read_carrier(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    signatures = [found for item in carried.items if (found := _signature(item)) is not None]
    if not signatures:
        return unreadable("signature header, which is no base64 of a JSON object with a signature")
    return [Claim(signatures, [(reading.request.body,)])]


def _signature(item: str) -> str | None:
    decoded = decode_base64(item.encode("utf-8", "surrogatepass"))
    try:
        header = orjson.loads(decoded or b"")
    except orjson.JSONDecodeError:
        return None
    signature = header.get("signature") if isinstance(header, dict) else None
    return signature if isinstance(signature, str) else None
