"""HMAC over a content template: GitHub, Stripe, Slack, Shopify, and what users describe."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from ingest.verify.carrier import Carried, read_carrier
from ingest.verify.extract import Extractor
from ingest.verify.families import Matches, Outcome
from ingest.verify.keys import decode_key
from ingest.verify.places import Reading
from ingest.verify.provider import Algorithm, Provider
from ingest.verify.request import Reason, Rejected, Secret

_DIGEST_SIZES: Final[Mapping[Algorithm, int]] = {
    algorithm: hashlib.new(algorithm).digest_size for algorithm in get_args(Algorithm)
}


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Compare every signature in the header with the one that each secret makes."""
    carried = carry(provider, reading)
    if isinstance(carried, Rejected):
        return carried
    candidates = well_formed(provider, carried)
    if isinstance(candidates, Rejected):
        return candidates
    content = signed_content(provider, reading)
    if isinstance(content, Rejected):
        return content
    return match_signatures(provider, candidates, content, secrets)


def carry(provider: Provider, reading: Reading) -> Carried | Rejected:
    """Read the carrier and lay its pairs open to ``signature:`` places."""
    carried = read_carrier(provider, reading.request)
    if isinstance(carried, Carried):
        reading.signature = carried.pairs
    return carried


def well_formed(provider: Provider, carried: Carried) -> list[bytes] | Rejected:
    """Pick the signatures that have the prefix and the length of a genuine one, in ASCII."""
    length = len(encode(provider, bytes(_DIGEST_SIZES[provider.algorithm])))
    found = [
        signature.encode("ascii")
        for signature in carried.signatures(provider.prefix)
        if signature.isascii() and len(signature) == length
    ]
    if found:
        return found
    shape = f"{provider.prefix}<{length} characters of {provider.encoding}>"
    return Rejected(
        Reason.MALFORMED_SIGNATURE, f"{provider.header[0]} holds no signature of the form {shape}"
    )


def signed_content(provider: Provider, reading: Reading) -> bytes | Rejected:
    """Build the bytes that the sender signed, or say which part of them the request lacks."""
    values = {
        "ts": _text(provider.timestamp, reading) if "ts" in provider.content.atoms else None,
        "id": _text(provider.event_id, reading) if "id" in provider.content.atoms else None,
    }
    content = provider.content.render(reading.request, values)
    if isinstance(content, bytes):
        return content
    return _lacking(provider, content)


def _lacking(provider: Provider, atom: str) -> Rejected:
    places = provider.timestamp.atoms if atom == "ts" and provider.timestamp else frozenset()
    if any(place.place == "signature" for place in places):
        names = " or ".join(sorted(place.name for place in places))
        detail = f"{provider.header[0]} holds no {names}, the timestamp that is signed"
        return Rejected(Reason.MALFORMED_SIGNATURE, detail)
    word = {"ts": "timestamp", "id": "id"}.get(atom, atom)
    detail = f"the signature covers the {word}, and the request has none"
    return Rejected(Reason.MISSING_SIGNED_HEADER, detail)


def match_signatures(
    provider: Provider, candidates: Sequence[bytes], content: bytes, secrets: Sequence[Secret]
) -> Matches:
    """Hold every candidate against every secret."""
    return [_matches(provider, secret, candidates, content) for secret in secrets]


def _matches(
    provider: Provider, secret: Secret, candidates: Sequence[bytes], content: bytes
) -> bool | None:
    key = decode_key(provider.secret_format, secret.value)
    if key is None:
        return None
    made = make_signature(provider, key, content)
    # A list, not a generator: any() must not stop at the first match.
    compared = [hmac.compare_digest(made, sent) for sent in candidates]
    return any(compared)


def make_signature(provider: Provider, key: bytes, content: bytes) -> bytes:
    """Make the encoded signature, without prefix.

    Signatures are compared as text in their one canonical form: decoding first would accept
    several spellings of one digest (hex in other case, stray base64 bits).
    """
    return encode(provider, hmac.digest(key, content, provider.algorithm))


def encode(provider: Provider, digest: bytes) -> bytes:
    """Write a digest in the provider's encoding."""
    match provider.encoding:
        case "hex":
            return digest.hex().encode()
        case "HEX":
            return digest.hex().upper().encode()
        case "base64":
            return base64.b64encode(digest)
        case "base64url":
            return base64.urlsafe_b64encode(digest)


def _text(template: Extractor | None, reading: Reading) -> str | None:
    found = template.extract(reading) if template else None
    return found.text if found else None
