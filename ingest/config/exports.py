"""[exports] -> the places to which the API may export."""

from pathlib import Path
from typing import Any

from ingest.config.mistakes import Mistakes
from ingest.config.schema import ExportsTable, read_table
from ingest.export.allowed import resolved, spelled
from ingest.filters import Refused


def read_exports(
    raw: dict[str, Any] | None, folder: Path, mistakes: Mistakes
) -> tuple[str, ...] | None:
    """The places, directories among them as absolute paths; None where the file names none.

    Relative directories start at ``folder``.
    """
    if raw is None:
        return None
    read = read_table(ExportsTable, raw, "exports", mistakes)
    if read is None:
        return None
    places = []
    for number, place in enumerate(read.to, start=1):
        try:
            places.append(spelled(resolved(place, folder)))
        except Refused as refused:
            mistakes.add("exports", "to", f"{refused.reason} (place {number})")
    return tuple(places)
