"""What a request asserts, with a signature that is not the right one yet: what has to be signed."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.signing.credential import Unsignable
from ingest.verify.asserting import claims
from ingest.verify.claims import Claim
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected, Request


def claimed(provider: Provider, request: Request, options: Mapping[str, str]) -> Claim:
    """Return the one claim of a request. Raises Unsignable where something signed is missing."""
    made = claims(provider, Reading(request, options=options))
    if isinstance(made, Rejected):
        raise Unsignable(made.detail)
    if len(made) != 1:
        raise Unsignable("only a batch of one can be signed")
    return made[0]
