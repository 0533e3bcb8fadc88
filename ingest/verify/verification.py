"""The verdict: runs the provider's family, then the secrets' ends, then the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ingest.verify.cleaning import clean, clean_id
from ingest.verify.extract import Extractor
from ingest.verify.families import (
    Matches,
    Outcome,
    basic_auth,
    hmac_signature,
    standard_webhooks,
    static_token,
)
from ingest.verify.freshness import check_freshness
from ingest.verify.places import Reading
from ingest.verify.provider import Family, Provider
from ingest.verify.request import Reason, Rejected, Request, Secret, Verified

_FAMILIES: Final[Mapping[Family, Callable[[Provider, Reading, Sequence[Secret]], Outcome]]] = (
    MappingProxyType(
        {
            "hmac": hmac_signature.match,
            "standard_webhooks": standard_webhooks.match,
            "token": static_token.match,
            "basic": basic_auth.match,
        }
    )
)


def verify(
    provider: Provider, request: Request, secrets: Sequence[Secret], now: int | None
) -> Verified | Rejected:
    """Whether the request was made by someone who holds one of the secrets. Never raises.

    ``now`` is in ms; None leaves timestamps unchecked (and takes a secret that has an end as
    ended). Every secret and every signature is compared, in constant time. The timestamp is
    judged after the signature: before, it is anybody's word.
    """
    reading = Reading(request)
    if provider.family == "none":
        return _describe(provider, reading, None)
    outcome = _FAMILIES[provider.family](provider, reading, secrets)
    if isinstance(outcome, Rejected):
        return outcome
    secret = _proving_secret(outcome, secrets, now)
    if isinstance(secret, Rejected):
        return secret
    return check_freshness(provider, reading, now) or _describe(provider, reading, secret)


def _proving_secret(
    matches: Matches, secrets: Sequence[Secret], now: int | None
) -> Secret | Rejected:
    paired = list(zip(matches, secrets, strict=True))
    live = [(match, secret) for match, secret in paired if not secret.expired(now)]
    for match, secret in live:
        if match:
            return secret
    expired = [secret.name for match, secret in paired if match]
    if expired:
        return Rejected(
            Reason.EXPIRED_SECRET, f"signed with {expired[0]}, whose end in the config has passed"
        )
    if all(match is None for match, _ in live):
        return Rejected(
            Reason.NO_SECRET, "the source has no usable secret: none given, empty, or expired"
        )
    return Rejected(
        Reason.BAD_SIGNATURE,
        "no secret of this source makes this signature: another secret, or a changed request",
    )


def _describe(provider: Provider, reading: Reading, secret: Secret | None) -> Verified:
    event_type, type_signed = _extract(provider, provider.event_type, reading)
    event_id, id_signed = _extract(provider, provider.event_id, reading)
    return Verified(
        event_type=clean(event_type or ""),
        event_id=clean_id(event_id) if event_id else None,
        id_signed=id_signed,
        type_signed=type_signed,
        secret_name=secret.name if secret else None,
    )


def _extract(
    provider: Provider, template: Extractor | None, reading: Reading
) -> tuple[str | None, bool]:
    found = template.extract(reading) if template else None
    if found is None:
        return None, False
    return found.text, bool(found.atoms) and provider.signed_atoms.issuperset(found.atoms)
