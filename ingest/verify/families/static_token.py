"""A fixed token in a header or in the URL. It proves who sent the request, not what was sent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from ingest.verify.carrier import carrier_of
from ingest.verify.claims import without_prefix
from ingest.verify.content import wire
from ingest.verify.families import Outcome
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Secret


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Compare the one token that came, or that of every item of a batch, with every secret."""
    sent = _sent(provider, reading)
    if isinstance(sent, Rejected):
        return sent
    return [_known(secret.value, sent) if secret.value.strip() else None for secret in secrets]


def _known(secret: bytes, sent: Sequence[Sequence[bytes]]) -> bool:
    """Whether each of the tokens, in one of its spellings, is the secret."""
    compared = [[same(secret, spelled) for spelled in token] for token in sent]
    return all(map(any, compared))


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


def _sent(provider: Provider, reading: Reading) -> Sequence[Sequence[bytes]] | Rejected:
    """Spell every token as it came, and without a prefix that it may have."""
    found = _read(provider, reading)
    if isinstance(found, Rejected):
        return found
    spelled = [_spelled(provider, each) for each in found]
    if all(spelled):
        return spelled
    return Rejected(
        Reason.MALFORMED_SIGNATURE, f"the token does not begin with {provider.prefix!r}"
    )


def _spelled(provider: Provider, sent: str) -> Sequence[bytes]:
    """Either may be the secret: some customers write the whole header down (``Bearer abc``)."""
    token = without_prefix(provider, sent)
    if token is None:
        return ()
    return [wire(each) for each in dict.fromkeys((sent.removeprefix(provider.prefix), token))]


def _read(provider: Provider, reading: Reading) -> Sequence[str] | Rejected:
    if provider.header:
        value = sent_header(provider, reading)
        return value if isinstance(value, Rejected) else [value]
    read = reading.read_each if provider.every_item else reading.read_one
    for atom in provider.signature:
        if found := read(atom):
            return found
    return Rejected(Reason.MISSING_SIGNATURE, f"the request carries no {carrier_of(provider)}")
