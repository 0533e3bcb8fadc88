"""Bridge.xyz: the signature covers a digest of the content, and digests that once more."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ingest.verify.claims import Claim, template_claims
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected


def bridge_xyz(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Claim SHA-256 of what the entry's ``content`` says, in place of the content.

    https://apidocs.bridge.xyz/platform/additional-information/webhooks/signature.
    """
    made = template_claims(provider, reading)
    if isinstance(made, Rejected):
        return made
    return [each._replace(contents=_digests(each.contents)) for each in made]


def _digests(contents: Sequence[tuple[bytes, ...]]) -> list[tuple[bytes, ...]]:
    return [(hashlib.sha256(b"".join(pieces)).digest(),) for pieces in contents]
