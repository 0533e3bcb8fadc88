"""A fixed token in a header or in the URL. It proves who sent the request, not what was sent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from ingest.verify.content import wire
from ingest.verify.families import Outcome
from ingest.verify.places import Atom, Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Secret


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Compare the one token that came with every secret."""
    sent = _sent(provider, reading)
    if isinstance(sent, Rejected):
        return sent
    return [same(secret.value, sent) if secret.value.strip() else None for secret in secrets]


def same(secret: bytes, sent: bytes) -> bool:
    """Tell whether both are the same bytes, in a time that tells nothing of either."""
    return hmac.compare_digest(hashlib.sha256(secret).digest(), hashlib.sha256(sent).digest())


def sent_header(provider: Provider, reading: Reading) -> str | Rejected:
    """Return the value of the one credential header that came."""
    for name in provider.header:
        values = [value for value in reading.request.all(name) if value]
        value = sole(values)
        if value is not None:
            return value
        if values:
            return Rejected(Reason.MALFORMED_SIGNATURE, f"{name} came with different values")
    names = " or ".join(provider.header)
    return Rejected(Reason.MISSING_SIGNATURE, f"the request carries no {names} header")


def _sent(provider: Provider, reading: Reading) -> bytes | Rejected:
    if provider.query is not None:
        value = reading.read(Atom("query", provider.query))
        found: str | Rejected = value or Rejected(
            Reason.MISSING_SIGNATURE, f"the URL carries no {provider.query} parameter"
        )
    else:
        found = sent_header(provider, reading)
    if isinstance(found, Rejected):
        return found
    if not found.startswith(provider.prefix):
        return Rejected(
            Reason.MALFORMED_SIGNATURE, f"the token does not begin with {provider.prefix!r}"
        )
    return wire(found.removeprefix(provider.prefix))
