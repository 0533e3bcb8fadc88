"""Adyen's standard webhooks: a batch whose items are signed one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ingest.verify.builders.claiming import unreadable
from ingest.verify.builders.json_text import parsed, scalar, walk
from ingest.verify.claims import Claim
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

#: Adyen sends one item by HTTP POST JSON, and sent up to six.
_MOST_ITEMS: Final = 100
_FIELDS: Final = (
    ("pspReference",),
    ("originalReference",),
    ("merchantAccountCode",),
    ("merchantReference",),
    ("amount", "value"),
    ("amount", "currency"),
    ("eventCode",),
    ("success",),
)


def adyen(_: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of eight fields joined by colons, none escaped; every item of the batch must hold.

    https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures;
    Adyen for Python 16 ``util.py``, which looks at the first item only.
    """
    batch = parsed(reading.request.body)
    items = batch.get("notificationItems") if isinstance(batch, dict) else None
    if not isinstance(items, list) or not 0 < len(items) <= _MOST_ITEMS:
        return unreadable("body, which has no notificationItems or too many")
    claims = [_claim(walk(item, ("NotificationRequestItem",))) for item in items]
    refused = [each for each in claims if isinstance(each, Rejected)]
    return refused[0] if refused else [each for each in claims if isinstance(each, Claim)]


def _claim(item: Any) -> Claim | Rejected:
    signature = walk(item, ("additionalData", "hmacSignature"))
    if type(signature) is not str or not signature:
        return Rejected(Reason.MISSING_SIGNATURE, "an item carries no additionalData.hmacSignature")
    if not isinstance(item.get("amount"), Mapping):
        return unreadable("body: an item has no amount")
    content = ":".join(scalar(walk(item, path)) or "" for path in _FIELDS)
    return Claim([signature], [(content.encode("utf-8", "surrogatepass"),)])
