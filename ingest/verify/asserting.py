"""Finds the maker of an entry's claims: its template, or the builder that it names."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.verify.builders import BUILDERS
from ingest.verify.claims import Claim, template_claims
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected


def claims(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Say what this request asserts; all of it must hold. Never raises."""
    if provider.builder is None:
        return template_claims(provider, reading)
    return BUILDERS[provider.builder](provider, reading)
