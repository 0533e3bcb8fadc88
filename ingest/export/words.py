"""An export as it is asked for, in words: the same by a command, a request or a schedule. Pure."""

from collections.abc import Collection, Sequence

from ingest.export.formats import Format
from ingest.export.manifest import Request
from ingest.filters import Dataset, chosen, read_filter


def read_request(
    *,
    dataset: str = Dataset.EVENTS,
    format: str = Format.PARQUET,  # noqa: A002 - the word for it everywhere
    source: str | None = None,
    types: Sequence[str] = (),
    state: str | None = None,
    destination: str | None = None,
    since: str | None = None,
    until: str | None = None,
    sources: Collection[str],
) -> Request:
    """Check what is asked for; ``sources``: those that there are. Raises Refused.

    When ``since`` and ``until`` are, only the place can tell: "last" is the end of what is there.
    """
    wanted = chosen("dataset", Dataset, dataset)
    filter_ = read_filter(
        wanted, source=source, types=types, state=state, destination=destination, sources=sources
    )
    return Request(wanted, chosen("format", Format, format), filter_, since, until)
