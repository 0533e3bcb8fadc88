"""Makes JSON Web Tokens as a provider would: beside a body, detached from it, or in its place."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any, Final

import orjson

from ingest.signing.carrying import carry
from ingest.signing.claimed import claimed
from ingest.signing.credential import Credential, Unsignable
from ingest.signing.draft import Draft
from ingest.signing.private_keys import signature
from ingest.verify.families.json_web_token import detached
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Request
from ingest.verify.token_claims import body_digest, fixed_claim, url_form
from ingest.verify.usable import key_of
from ingest.verify.web_tokens import PAIRED, SHARED

_LIFETIME_SECONDS: Final = 60
_TRUELAYER: Final = {"tl_version": "2", "tl_headers": ""}


def with_token(
    provider: Provider,
    draft: Draft,
    credential: Credential,
    now: int,
    options: Mapping[str, str],
) -> Request:
    """Return the request with its token. Raises Unsignable."""
    algorithm = _algorithm(provider, credential)
    head = {"alg": algorithm, "typ": "JWT"}
    if provider.builder == "truelayer":
        head |= _TRUELAYER
    begun = _encode(orjson.dumps(head))
    if detached(provider):
        content = claimed(provider, carry(provider, draft, f"{begun}..AAAA", options), options)
        payload = b"".join(content.contents[0])
    else:
        payload = orjson.dumps(_claims(provider, draft, now, options))
    signed = f"{begun}.{_encode(payload)}"
    made = _encode(_signature(provider, algorithm, credential, signed.encode()))
    token = f"{begun}..{made}" if detached(provider) else f"{signed}.{made}"
    return carry(provider, draft, token, options)


def _algorithm(provider: Provider, credential: Credential) -> str:
    for name in provider.token_algorithms:
        if credential.private_key is None:
            if name in SHARED:
                return name
        elif name in PAIRED and PAIRED[name].fits(credential.private_key.public_key()):
            return name
    raise Unsignable(
        f"none of its algorithms ({', '.join(provider.token_algorithms)}) takes the key"
    )


def _signature(provider: Provider, algorithm: str, credential: Credential, data: bytes) -> bytes:
    if credential.private_key is not None:
        return signature(PAIRED[algorithm], credential.private_key, data)
    key = key_of(provider, credential.secret)
    if key is None:
        raise Unsignable(f"the secret is empty or not of the format {provider.secret_format!r}")
    return hmac.digest(key, data, SHARED[algorithm])


def _claims(
    provider: Provider, draft: Draft, now: int, options: Mapping[str, str]
) -> Mapping[str, Any]:
    seconds = now // 1_000
    reading = Reading(draft.request(), options=options)
    said: dict[str, Any] = dict.fromkeys(provider.required_claims, provider.slug)
    said |= draft.claims
    said |= {"iat": seconds, "nbf": seconds, "exp": seconds + _LIFETIME_SECONDS}
    for name in provider.claims:
        text = fixed_claim(provider, name, reading)
        if text is not None:
            said[name] = text
    if provider.body_claim is not None and draft.body:
        said[provider.body_claim] = body_digest(provider, draft.body)
    if provider.url_claim is not None:
        said[provider.url_claim] = url_form(provider, reading)
    return said


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
