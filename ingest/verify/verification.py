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
    json_web_token,
    keyed_digest,
    public_key,
    standard_webhooks,
    static_token,
)
from ingest.verify.freshness import check_freshness
from ingest.verify.key_set import NO_KEYS, KeySet
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.published import OWN_KEYS, knows_keys
from ingest.verify.request import Reason, Rejected, Request, Secret, Verified
from ingest.verify.words import Family

_FAMILIES: Final[Mapping[Family, Callable[[Provider, Reading, Sequence[Secret]], Outcome]]] = (
    MappingProxyType(
        {
            "hmac": keyed_digest.match,
            "hash": keyed_digest.match,
            "standard_webhooks": standard_webhooks.match,
            "ed25519": public_key.match,
            "ecdsa": public_key.match,
            "rsa": public_key.match,
            "jwt": json_web_token.match,
            "token": static_token.match,
            "basic": basic_auth.match,
        }
    )
)
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


def verify(
    provider: Provider,
    request: Request,
    secrets: Sequence[Secret],
    now: int | None,
    *,
    options: Mapping[str, str] = _NO_OPTIONS,
    keys: KeySet = NO_KEYS,
) -> Verified | Rejected:
    """Whether the request was made by someone who holds one of the secrets. Never raises.

    ``now`` is in ms; None leaves timestamps unchecked (and takes a secret that has an end as
    ended). ``options`` are the source's; ``keys`` those that were fetched: where another is
    needed, the verdict is a ``NeedsKey``. Every secret and every signature is compared, in
    constant time. The timestamp is judged after the signature: before, it is anybody's word.
    """
    reading = Reading(request, options=options, keys=keys, now=now)
    provider = provider.scheme_of(reading)
    if provider.family == "none":
        return _describe(provider, reading, None)
    if not secrets and knows_keys(provider, reading):
        secrets = (OWN_KEYS,)
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
