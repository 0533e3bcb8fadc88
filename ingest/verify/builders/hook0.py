"""Hook0 and Coinbase Developer Platform: the signature names the headers that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import lacks, pairs_of, unreadable
from ingest.verify.claims import Claim
from ingest.verify.content import wire
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

_MOST_HEADERS: Final = 100


def hook0(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC ``v1`` of ``{t}.{h}.{values of h's headers}.{body}``, else ``v0`` of ``{t}.{body}``.

    ``v0`` counts only where there is no ``v1``, as in the clients. A header that ``h`` names and
    the request lacks is refused.

    https://documentation.hook0.com/tutorials/webhook-authentication; hook0-client 2.0
    ``signature.rs``; https://docs.cdp.coinbase.com/webhooks/verify-signatures.
    """
    carried = pairs_of(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    timestamp = carried.get("t")
    if timestamp is None:
        return unreadable("signature header, which has no t")
    body = (wire(timestamp), reading.request.body)
    if "v1" not in carried:
        return _claimed(carried.get("v0"), b".".join(body))
    names = carried.get("h", "")
    values = _values(reading, names.split(" ") if names else [])
    if isinstance(values, Rejected):
        return values
    return _claimed(carried["v1"], b".".join((body[0], wire(names), b".".join(values), body[1])))


def _claimed(signature: str | None, content: bytes) -> Sequence[Claim] | Rejected:
    if signature is None:
        return Rejected(Reason.MISSING_SIGNATURE, "the signature header carries neither v1 nor v0")
    return [Claim([signature], [(content,)])]


def _values(reading: Reading, names: Sequence[str]) -> list[bytes] | Rejected:
    if len(names) > _MOST_HEADERS:
        return unreadable("signature header, which names too many headers")
    values = []
    for name in names:
        value = sole(reading.request.all(name))
        if value is None:
            return lacks(name)
        values.append(wire(value))
    return values
