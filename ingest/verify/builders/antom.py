"""Alipay+ and Antom: a pair of the header holds the signature percent-encoded."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from ingest.verify.claims import Claim, template_claims
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected


def antom(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Claim the entry's ``content`` with the decoded signature.

    https://docs.antom.com/ac/ams/digital_signature ("Handle the signature": URL-decoded first).
    """
    made = template_claims(provider, reading)
    if isinstance(made, Rejected):
        return made
    return [each._replace(signatures=[unquote(text) for text in each.signatures]) for each in made]
