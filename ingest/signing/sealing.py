"""Signs a draft as its provider would. Pure: the time is an argument.

What is signed is read out of the finished request by the entry's own words, with a signature in
it that only has the right form; then the right one takes its place.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ingest.signing.carrying import carry
from ingest.signing.claimed import claimed
from ingest.signing.credential import Credential, Unsignable
from ingest.signing.draft import Draft
from ingest.signing.dressing import dress, which_content
from ingest.signing.private_keys import signature
from ingest.signing.tokens import with_token
from ingest.verify.asymmetric import SignatureScheme
from ingest.verify.claims import algorithm_of
from ingest.verify.extract import Choice, Extractor
from ingest.verify.families.keyed_digest import DIGEST_SIZES, encode, make_signature
from ingest.verify.freshness import to_text
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Request
from ingest.verify.usable import key_of
from ingest.verify.words import Algorithm

_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


def sign(
    provider: Provider,
    draft: Draft,
    credential: Credential,
    now: int,
    *,
    options: Mapping[str, str] = _NO_OPTIONS,
) -> Request:
    """Return the request that this provider would send at ``now`` (ms). The draft stays as it is.

    ``options`` are the source's. Raises Unsignable, with the reason, where something that is
    signed is missing, or the credential is none of this provider's.
    """
    stamped = draft.copy()
    try:
        if provider.timestamp is not None:
            place = first_place(provider.timestamp, stamped)
            if stamped.is_free(place):
                stamped.put(place, to_text(now, provider.timestamp_format))
        return _signed(provider, stamped, credential, now, options)
    except ValueError as error:
        raise Unsignable(str(error)) from error


def _signed(
    provider: Provider,
    draft: Draft,
    credential: Credential,
    now: int,
    options: Mapping[str, str],
) -> Request:
    match provider.family:
        case "none":
            return draft.request()
        case "token":
            return carry(provider, draft, _filled(credential).decode("latin-1"), options)
        case "basic":
            text = "Basic " + base64.b64encode(_filled(credential)).decode()
            return carry(provider, draft, text, options)
        case "jwt":
            return with_token(provider, draft, credential, now, options)
        case _:
            dress(provider, draft, now, options)
            return _with_signature(provider, draft, credential, options)


def _with_signature(
    provider: Provider, draft: Draft, credential: Credential, options: Mapping[str, str]
) -> Request:
    reading = Reading(draft.request(), options=options)
    algorithm = algorithm_of(provider, reading)
    if isinstance(algorithm, Rejected):
        raise Unsignable(algorithm.detail)
    placeholder = encode(provider.encoding, bytes(range(DIGEST_SIZES[algorithm]))).decode()
    unsigned = carry(provider, draft, placeholder, options, credential.number)
    contents = claimed(provider, unsigned, options).contents
    if credential.private_key is not None:
        made = _by_private_key(provider, algorithm, credential, contents[0])
    else:
        key = _key(provider, credential)
        content = which_content(provider, contents, key)
        made = make_signature(provider, algorithm, key, content).decode()
    if credential.private_key is not None and provider.family == "standard_webhooks":
        provider = provider.model_copy(update={"prefix": "v1a,"})
    return carry(provider, draft, made, options, credential.number)


def _by_private_key(
    provider: Provider, algorithm: Algorithm, credential: Credential, content: tuple[bytes, ...]
) -> str:
    kind = provider.family
    if kind == "standard_webhooks":
        kind = "ed25519"
    if kind not in ("ed25519", "ecdsa", "rsa") or credential.private_key is None:
        raise Unsignable(f"{provider.slug} signs with a shared secret, not with a key pair")
    scheme = SignatureScheme(kind, algorithm, provider.padding, provider.signature_format)
    made = signature(scheme, credential.private_key, credential.secret.join(content))
    return encode(provider.encoding, made).decode()


def _key(provider: Provider, credential: Credential) -> bytes:
    key = key_of(provider, credential.secret)
    if key is None:
        raise Unsignable(f"the secret is empty or not of the format {provider.secret_format!r}")
    if provider.family not in ("hmac", "hash", "standard_webhooks"):
        raise Unsignable(f"{provider.slug} signs with a private key")
    return key


def _filled(credential: Credential) -> bytes:
    if not credential.secret.strip():
        raise Unsignable("the secret is empty")
    return credential.secret


def first_place(template: Extractor, draft: Draft) -> Atom:
    """Return the first place of a template that a request with this body can have."""
    unfit = "body" if draft.is_form else "form"
    places = [
        piece.atoms[0]
        for pieces in template.templates
        for piece in pieces
        if isinstance(piece, Choice)
    ]
    return next((atom for atom in places if atom.place != unfit), places[0])
