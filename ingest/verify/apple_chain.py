"""The key of a token that carries its own certificates (``x5c``), as Apple's do.

A chain of exactly three: leaf, intermediate, root. The root must be the pinned one, by its
SHA-256; each certificate must be signed by the next, valid, and of Apple's purposes. Rules:
Apple's app-store-server-library (``ChainVerifier``); revocation is not asked, which would be a
request to Apple for every event.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hmac
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.utils import CryptographyDeprecationWarning

from ingest.verify.public_keys import PublicKey, accepted

_LENGTH: Final = 3
_LEAF_PURPOSE: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.11.1")
_INTERMEDIATE_PURPOSE: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.2.1")

_BROKEN: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature),
    *(x509.InvalidVersion, x509.ExtensionNotFound, x509.DuplicateExtension),  # of no common class
    CryptographyDeprecationWarning,  # a serial number below one, where warnings are errors
)


def leaf_key(x5c: object, root_sha256: str, now: int | None) -> PublicKey | None:
    """Return the leaf's key where the chain holds at ``now`` (ms; None: whenever). Never raises."""
    try:
        chain = _parse(x5c)
        return _proven(chain, root_sha256, now) if len(chain) == _LENGTH else None
    except _BROKEN:
        return None


def _parse(x5c: object) -> list[x509.Certificate]:
    if not isinstance(x5c, list) or len(x5c) != _LENGTH:
        return []
    try:
        return [
            x509.load_der_x509_certificate(base64.b64decode(str(each), validate=True))
            for each in x5c
        ]
    except binascii.Error:
        return []


def _proven(
    chain: Sequence[x509.Certificate], root_sha256: str, now: int | None
) -> PublicKey | None:
    leaf, intermediate, root = chain
    if not hmac.compare_digest(root.fingerprint(hashes.SHA256()).hex(), root_sha256):
        return None
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    if not intermediate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        return None
    leaf.extensions.get_extension_for_oid(_LEAF_PURPOSE)
    intermediate.extensions.get_extension_for_oid(_INTERMEDIATE_PURPOSE)
    if now is not None and not all(_valid_at(each, now) for each in chain):
        return None
    return accepted(leaf.public_key())


def _valid_at(certificate: x509.Certificate, now: int) -> bool:
    moment = dt.datetime.fromtimestamp(now / 1_000, dt.UTC)
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc
