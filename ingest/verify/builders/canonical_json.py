"""Signatures over JSON that is written anew: Inngest, NOWPayments, Treezor, Hygraph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import claim, pairs_of, unreadable
from ingest.verify.builders.json_text import (
    Writer,
    as_sent,
    javascript_number,
    javascript_text,
    parsed,
    php_text,
    walk,
)
from ingest.verify.claims import Claim, carried_signatures
from ingest.verify.content import wire
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

_CANONICAL: Final = Writer(javascript_text, javascript_number, sorts=True)
_SORTED_AS_SENT: Final = Writer(javascript_text, as_sent, sorts=True)
_PHP: Final = Writer(php_text, as_sent, sorts=False)


def inngest(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the body as RFC 8785 writes it, and the timestamp; ``t=..&s=..`` carries it.

    https://www.inngest.com/docs/platform/webhooks and inngest 0.5.19 ``_internal/net.py``.
    """
    carried = pairs_of(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    timestamp, signature = carried.get("t"), carried.get("s")
    if timestamp is None or signature is None:
        return Rejected(Reason.MALFORMED_SIGNATURE, "the signature header lacks t or s")
    body = reading.request.body
    written = _CANONICAL.write(parsed(body)) if body else b""
    if written is None or (written == b"null" and body.strip() != b"null"):
        return unreadable("body, which is no JSON or nested too deep")
    return [Claim([signature], [(written + wire(timestamp),)])]


def nowpayments(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of the body with the members of every object sorted, and no blanks.

    Numbers count as ``JSON.stringify`` writes them or as they came: the documentation's PHP and
    Python examples keep ``1.0``. https://nowpayments.io/help/payments/api/ipn.
    """
    carried = carried_signatures(provider, reading)
    if isinstance(carried, Rejected):
        return carried  # before the body, which costs much, is looked at
    body = parsed(reading.request.body)
    written = [writer.write(body) for writer in (_CANONICAL, _SORTED_AS_SENT)]
    if not isinstance(body, dict) or None in written:
        return unreadable("body, which is no JSON object")
    return claim(provider, reading, [(each,) for each in written if each is not None])


def treezor(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of ``object_payload`` as PHP's ``json_encode`` writes it; nothing else is covered.

    https://docs.treezor.com/guide/webhooks/integrity-checks.html: ``hash_hmac('sha256',
    json_encode($payload), $secret, true)``. Numbers count as they came.
    """
    payload = walk(parsed(reading.request.body), ("object_payload",))
    written = _PHP.write(payload)
    if not isinstance(payload, dict | list) or written is None:
        return unreadable("body, which has no object_payload")
    return claim(provider, reading, [(written,)])


def hygraph(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of a JSON envelope of the body as text, the environment, and the time in ms.

    ``gcms-signature: sign=.., env=.., t=..``. https://hygraph.com/docs/developer-guides/webhooks/
    protecting-your-webhooks; @hygraph/utils 1.2 ``index.js``.
    """
    carried = pairs_of(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    signature, environment, timestamp = (carried.get(name) for name in ("sign", "env", "t"))
    if signature is None or environment is None or timestamp is None:
        return Rejected(Reason.MALFORMED_SIGNATURE, "gcms-signature lacks sign, env or t")
    if not (timestamp.isascii() and timestamp.isdigit()):
        return unreadable("gcms-signature header, whose t is no number")
    try:
        body = reading.request.body.decode("utf-8")
    except UnicodeDecodeError:
        return unreadable("body, which is not UTF-8")
    envelope = (
        f'{{"Body":{javascript_text(body)},"EnvironmentName":{javascript_text(environment)},'
        f'"TimeStamp":{timestamp}}}'
    )
    return [Claim([signature], [(envelope.encode("utf-8", "surrogatepass"),)])]
