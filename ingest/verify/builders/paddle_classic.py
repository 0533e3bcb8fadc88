"""Paddle Classic: PHP's ``serialize`` of the sorted form, without the signature's own field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import claim, unreadable
from ingest.verify.builders.form_pairs import form_pairs
from ingest.verify.claims import Claim
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected

_OWN_FIELD: Final = b"p_signature"


def paddle_classic(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Sign ``a:2:{s:1:"a";s:1:"1";...}``: every value a string, lengths in bytes, keys sorted.

    https://developer.paddle.com/classic/reference/webhook-verification (``ksort``, ``serialize``).
    """
    pairs = form_pairs(reading.request.body)
    if pairs is None:
        return unreadable("form")
    signed = [(name, value) for name, value in pairs if name != _OWN_FIELD]
    fields = dict(signed)
    if len(fields) < len(signed):  # PHP takes the last one, a reader may take the first
        return unreadable("form, which has a field twice")
    items = b"".join(_string(name) + _string(fields[name]) for name in sorted(fields))
    return claim(provider, reading, [(b"a:%d:{%s}" % (len(fields), items),)])


def _string(value: bytes) -> bytes:
    return b's:%d:"%s";' % (len(value), value)
