"""JSON Web Tokens: beside the body, detached from it, or in its place.

The signature is judged first and by keys of the entry's own kind alone; then what the token
claims, for before that it is anybody's word. Standard: RFC 7515, 7518, 7519, 7797, 8725.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from ingest.verify.apple_chain import leaf_key
from ingest.verify.asserting import claims
from ingest.verify.claims import Claim
from ingest.verify.families import Matches, Outcome
from ingest.verify.keys import decode_key
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.public_keys import PublicKey, read_public_keys
from ingest.verify.published import Keys, keys_of
from ingest.verify.request import Reason, Rejected, Secret
from ingest.verify.token_claims import check_claims
from ingest.verify.web_tokens import PAIRED, SHARED, Token, parse_token

_PUBLIC_LOOKS: Final = (b"-----BEGIN ", b"{", b"ssh-", b"ecdsa-")
_DEEPEST: Final = 3  # JSON inside of JSON inside of JSON: Wix has two of them


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Whether a secret, or a key of the provider's, proves the token and it is for this request."""
    made = claims(provider, reading)
    if isinstance(made, Rejected):
        return made
    if len(made) != 1:
        return Rejected(Reason.MALFORMED_SIGNATURE, "a token proves one thing, not several or none")
    token = _token(provider, made[0])
    if isinstance(token, Rejected):
        return token
    contents = [b"".join(pieces) for pieces in made[0].contents] if detached(provider) else [None]
    signed = [token.signed(content) for content in contents]
    matches = _matches(provider, reading, token, signed, secrets)
    if isinstance(matches, Rejected) or not any(matches) or detached(provider):
        return matches
    said = token.claims()
    if said is None:
        return Rejected(Reason.MALFORMED_SIGNATURE, "the token holds no JSON object")
    refused = check_claims(provider, reading, said, reading.now)
    if refused is None:
        reading.claims = _opened(said)
    return refused or matches


def detached(provider: Provider) -> bool:
    """Whether the payload travels apart from the token."""
    return provider.detached is not None or provider.builder is not None


def _token(provider: Provider, claim: Claim) -> Token | Rejected:
    token = parse_token(claim.signatures[0]) if len(claim.signatures) == 1 else None
    if token is None or bool(token.payload) == detached(provider):
        kind = "detached token" if detached(provider) else "token"
        return Rejected(Reason.MALFORMED_SIGNATURE, f"there is no {kind} where it belongs")
    if token.algorithm not in provider.token_algorithms:
        allowed = ", ".join(provider.token_algorithms)
        detail = f"the token's algorithm is not one of this provider's: {allowed}"
        return Rejected(Reason.MALFORMED_SIGNATURE, detail)
    return token


def _matches(
    provider: Provider,
    reading: Reading,
    token: Token,
    signed: Sequence[bytes],
    secrets: Sequence[Secret],
) -> Matches | Rejected:
    if token.algorithm in SHARED:
        return [_by_secret(provider, token, signed, secret) for secret in secrets]
    matches: list[bool | None] = []
    for secret in secrets:
        keys = _keys(provider, reading, token, secret)
        if isinstance(keys, Rejected):
            return keys
        fitting = [key for key in keys or () if _fits(token, key)]
        if keys is None or (keys and not fitting):
            matches.append(None)
        else:
            proven = [token.proven_by_key(key.material, each) for key in fitting for each in signed]
            matches.append(any(proven))
    return matches


def _by_secret(
    provider: Provider, token: Token, signed: Sequence[bytes], secret: Secret
) -> bool | None:
    """None for a key that others can read: whoever has it could sign (algorithm confusion)."""
    value = secret.value.strip()
    if value.startswith(_PUBLIC_LOOKS) or read_public_keys(provider.key_format, value):
        return None
    key = decode_key(provider.secret_format, secret.value)
    if key is None:
        return None
    compared = [token.proven_by_secret(key, each) for each in signed]
    return any(compared)


def _keys(provider: Provider, reading: Reading, token: Token, secret: Secret) -> Keys | None:
    source = provider.key_source
    if source is None or source.root_sha256 is None:
        return keys_of(provider, reading, secret, token.key_id)
    key = leaf_key(token.header.get("x5c"), source.root_sha256, reading.now)
    if key is None:
        detail = "the token's certificates do not lead to the provider's root"
        return Rejected(Reason.BAD_SIGNATURE, detail)
    return [key]


def _fits(token: Token, key: PublicKey) -> bool:
    return PAIRED[token.algorithm].fits(key.material) and key.algorithm in (None, token.algorithm)


def _opened(value: Any, depth: int = 0) -> Any:
    """The claims, with JSON that stands in strings laid open for ``claim:`` places (Wix)."""
    if depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {name: _opened(each, depth + 1) for name, each in value.items()}
    if isinstance(value, str) and value.startswith("{"):
        try:
            return _opened(orjson.loads(value), depth + 1)
        except orjson.JSONDecodeError:
            return value
    return value
