"""Braintree: a form with a signed payload and a signature for every public key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import unreadable
from ingest.verify.claims import Claim
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

_SIGNATURE: Final = Atom.parse("form:bt_signature")
_PAYLOAD: Final = Atom.parse("form:bt_payload")
_LEGAL: Final = re.compile(r"[A-Za-z0-9+=/\n]+", re.ASCII)
_CHALLENGE: Final = re.compile(r"[0-9a-f]{20,32}\n?")  # signed for whoever asks: no event
_MOST_PAIRS: Final = 100


def braintree(_: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    r"""HMAC of ``bt_payload``, with or without a newline behind it, keyed by SHA-1 of the secret.

    ``bt_signature`` holds ``public_key|signature`` pairs joined by ``&``. Where the source's
    options name its ``public_key``, only that key's signature counts.

    https://developer.paypal.com/braintree/docs/guides/webhooks/parse; braintree 4.48
    ``webhook_notification_gateway.py``.
    """
    payload = reading.read(_PAYLOAD)
    if payload is None or not _LEGAL.fullmatch(payload) or _CHALLENGE.fullmatch(payload):
        return unreadable("form, whose bt_payload is missing or no base64")
    signatures = _signatures(reading.read(_SIGNATURE) or "", reading.options.get("public_key"))
    if not signatures:
        return Rejected(Reason.MISSING_SIGNATURE, "bt_signature holds none for the public key")
    sent = payload.encode()
    return [Claim(signatures, [(sent,), (sent + b"\n",)])]


def _signatures(text: str, public_key: object) -> list[str]:
    pairs = [pair.partition("|") for pair in text.split("&", _MOST_PAIRS)[:_MOST_PAIRS]]
    return [
        signature
        for name, bar, signature in pairs
        if bar and signature and (public_key is None or name == public_key)
    ]
