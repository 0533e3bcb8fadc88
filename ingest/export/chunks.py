"""How an export is cut: stretches of ids within one day, each of a bounded number of rows. Pure.

A chunk is what is written, repeated and recorded as a whole. It never crosses midnight (UTC), so
that it writes one file a source.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.store.ids import first_id, made_at

#: Rows of a chunk. At 2 KB a row a chunk is some seconds of work.
CHUNK_ROWS = 50_000
DAY_MS = 86_400_000

#: (after, before) -> the first id between them, both excluded, or None.
NextId = Callable[[str, str], str | None]
#: (after, before, limit) -> the last of the first ``limit`` ids between them, and their number.
Stretch = Callable[[str, str, int], tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows whose ids are from ``first_id`` to ``last_id``, both included, of one ``day``.

    ``rows``: how many there were when it was cut; retention may have taken some since.
    """

    number: int
    day: str
    first_id: str
    last_id: str
    rows: int


def cut(
    after: str, before: str, next_id: NextId, stretch: Stretch, limit: int = CHUNK_ROWS
) -> Iterator[Chunk]:
    """Cut the rows whose ids are between two (both excluded) into chunks, in the order of ids."""
    number = 0
    while (first := next_id(after, before)) is not None:
        midnight = first_id((made_at(first) // DAY_MS + 1) * DAY_MS)
        last, rows = stretch(after, min(before, midnight), limit)
        day = f"{datetime.fromtimestamp(made_at(first) / 1_000, UTC):%Y-%m-%d}"
        yield Chunk(number, day, first, last, rows)
        number, after = number + 1, last
