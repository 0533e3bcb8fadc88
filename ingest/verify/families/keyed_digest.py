"""HMAC, and plain digests with the secret inside: GitHub, Stripe, Slack, and most others."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, get_args

from ingest.verify.asserting import claims
from ingest.verify.carrier import header_of_secret
from ingest.verify.claims import Claim, algorithm_of, without_prefix
from ingest.verify.families import Matches, Outcome
from ingest.verify.handshakes.reply import is_challenge
from ingest.verify.keccak import DIGEST_BYTES, keccak256
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Secret
from ingest.verify.usable import keys_in
from ingest.verify.words import Algorithm, Encoding

DIGEST_SIZES: Final[Mapping[Algorithm, int]] = {
    algorithm: DIGEST_BYTES if algorithm == "keccak256" else hashlib.new(algorithm).digest_size
    for algorithm in get_args(Algorithm)
}

#: The signatures of a claim that may be genuine, in ASCII, and what they may be over.
Candidates = tuple[Sequence[bytes], Sequence[tuple[bytes, ...]]]


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Compare every signature that came with those that each secret makes."""
    made = claims(provider, reading)
    if isinstance(made, Rejected):
        return made
    algorithm = algorithm_of(provider, reading)
    if isinstance(algorithm, Rejected):
        return algorithm
    answered = provider.signs_challenges and provider.content.is_body
    if answered and is_challenge(reading.request.body):
        return Rejected(Reason.BAD_SIGNATURE, "the body is a challenge that was answered, no event")
    return match_claims(provider, algorithm, made, secrets, reading)


def match_claims(
    provider: Provider,
    algorithm: Algorithm,
    made: Sequence[Claim],
    secrets: Sequence[Secret],
    reading: Reading,
) -> Outcome:
    """Hold every claim against every secret."""
    candidates: list[Candidates] = []
    for claim in made:
        found = well_formed(provider.encoding, algorithm, claim.signatures)
        if not found:
            return _malformed(provider, algorithm)
        candidates.append((found, claim.contents))
    if provider.header_per_secret:
        return _match_own_headers(provider, algorithm, candidates, secrets, reading)
    return [_holds(provider, algorithm, secret, candidates) for secret in secrets]


def well_formed(encoding: Encoding, algorithm: Algorithm, signatures: Sequence[str]) -> list[bytes]:
    """Pick the signatures that have the length of a genuine one, in ASCII."""
    length = _length(encoding, algorithm)
    found = [
        signature.encode("ascii")
        for signature in signatures
        if signature.isascii() and len(signature) == length
    ]
    return [signature.lower() for signature in found] if encoding == "hex_any" else found


@cache
def _length(encoding: Encoding, algorithm: Algorithm) -> int:
    """How many characters a signature has."""
    return len(encode(encoding, bytes(DIGEST_SIZES[algorithm])))


def _malformed(provider: Provider, algorithm: Algorithm) -> Rejected:
    length = _length(provider.encoding, algorithm)
    shape = f"{provider.prefix}<{length} characters of {provider.encoding}>"
    where = " or ".join(provider.header) or "the request"
    return Rejected(Reason.MALFORMED_SIGNATURE, f"{where} holds no signature of the form {shape}")


def _match_own_headers(
    provider: Provider,
    algorithm: Algorithm,
    candidates: Sequence[Candidates],
    secrets: Sequence[Secret],
    reading: Reading,
) -> Matches:
    """Hold each secret only against the signature in the header of its own (Box)."""
    matches: list[bool | None] = []
    for number, secret in enumerate(secrets):
        item = header_of_secret(provider, reading, number)
        text = without_prefix(provider, item) if item else None
        own = well_formed(provider.encoding, algorithm, [text] if text else [])
        narrowed = [(own, contents) for _, contents in candidates]
        matches.append(_holds(provider, algorithm, secret, narrowed))
    return matches


def _holds(
    provider: Provider, algorithm: Algorithm, secret: Secret, candidates: Sequence[Candidates]
) -> bool | None:
    keys = keys_in(provider, secret.value)
    if not keys or not candidates:
        return False if keys else None
    held = [[_fits(provider, algorithm, key, *each) for each in candidates] for key in keys]
    matched = [all(each) for each in held]
    return any(matched)


def _fits(
    provider: Provider,
    algorithm: Algorithm,
    key: bytes,
    signatures: Sequence[bytes],
    contents: Sequence[tuple[bytes, ...]],
) -> bool:
    made = [make_signature(provider, algorithm, key, content) for content in contents]
    # A list, not a generator: any() must not stop at the first match.
    compared = [hmac.compare_digest(ours, sent) for ours in made for sent in signatures]
    return any(compared)


def make_signature(
    provider: Provider, algorithm: Algorithm, key: bytes, content: tuple[bytes, ...]
) -> bytes:
    """Make the encoded signature, without prefix.

    Signatures are compared as text in their one canonical form: decoding first would accept
    several spellings of one digest (hex in other case, stray base64 bits).
    """
    data = content[0] if len(content) == 1 else key.join(content)
    if provider.family == "hash":
        return encode(provider.encoding, _digest(algorithm, data))
    return encode(provider.encoding, hmac.digest(key, data, algorithm))


def _digest(algorithm: Algorithm, data: bytes) -> bytes:
    if algorithm == "keccak256":
        return keccak256(data)
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def encode(encoding: Encoding, digest: bytes) -> bytes:
    """Write a digest in an encoding."""
    match encoding:
        case "hex" | "hex_any":
            return digest.hex().encode()
        case "HEX":
            return digest.hex().upper().encode()
        case "base64":
            return base64.b64encode(digest)
        case "base64url":
            return base64.urlsafe_b64encode(digest)
        case "base64url_nopad":
            return base64.urlsafe_b64encode(digest).rstrip(b"=")
        case "base64_hex":
            return base64.b64encode(digest.hex().encode())
