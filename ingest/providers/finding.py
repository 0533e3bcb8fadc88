"""Find providers in the catalogue by a part of their name, their family, or their evidence."""

from collections.abc import Mapping
from typing import Final

from ingest.providers import wording
from ingest.verify.provider import Provider

FAMILIES: Final = tuple(wording.FAMILIES)
EVIDENCE: Final = ("proven", "documented", "community")


def find(
    catalogue: Mapping[str, Provider],
    text: str | None = None,
    family: str | None = None,
    evidence: str | None = None,
) -> list[Provider]:
    """Those that fit everything that is given, in the order of the catalogue."""
    return [
        one
        for one in catalogue.values()
        if (text is None or text.casefold() in f"{one.slug} {one.name}".casefold())
        and family in (None, one.family)
        and evidence in (None, one.evidence)
    ]
