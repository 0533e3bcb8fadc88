"""Box: two keys, each with a header of its own, over the body and the time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import claim, lacks, unreadable
from ingest.verify.claims import Claim
from ingest.verify.content import wire
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected

_TIMESTAMP: Final = "box-delivery-timestamp"
_FIXED: Final = {"box-signature-version": "1", "box-signature-algorithm": "HmacSHA256"}
_ESCAPED: Final = re.compile(r"[^\x20-\x7e]")
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def box(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the body and the delivery's timestamp; of the body with its non-ASCII escaped, too.

    https://developer.box.com/guides/webhooks/v2/signatures-v2/; boxsdk 10.18
    ``internal/utils.py`` (``compute_webhook_signature``), which knows one version and algorithm.
    """
    for name, value in _FIXED.items():
        if sole(reading.request.all(name)) != value:
            return unreadable(f"{name} header, which is not {value}")
    timestamp = sole(reading.request.all(_TIMESTAMP))
    if timestamp is None:
        return lacks(_TIMESTAMP)
    bodies = [reading.request.body, _escaped(reading.request.body)]
    return claim(provider, reading, [(each + wire(timestamp),) for each in dict.fromkeys(bodies)])


def _escaped(body: bytes) -> bytes:
    r"""Escape as the SDK does: backslashes (but for ``\/``) doubled, then all beyond ASCII."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return body
    doubled = re.sub(r"\\(?!/)", r"\\\\", text)
    return _ESCAPED.sub(_escape, doubled).encode()


def _escape(found: re.Match[str]) -> str:
    if found[0] in _SHORT:
        return _SHORT[found[0]]
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
