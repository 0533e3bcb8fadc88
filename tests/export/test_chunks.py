"""How an export is cut: every id in one chunk, none over midnight, none too large."""

from bisect import bisect_left, bisect_right
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from ingest.export.chunks import DAY_MS, cut
from ingest.store.ids import first_id, made_at
from tests.store.making import new_id

START = 1_790_000_000_000
_times = st.lists(st.integers(0, 4 * DAY_MS).map(lambda at: START + at), max_size=60)


_ranges = st.lists(st.integers(0, 4 * DAY_MS), min_size=2, max_size=2).map(sorted)


@given(_times, st.integers(1, 9), _ranges)
@example([START, START + DAY_MS], 9, [0, 2 * DAY_MS])
def test_every_id_of_the_range_is_in_exactly_one_chunk(
    times: list[int], limit: int, range_: list[int]
) -> None:
    since, until = range_
    ids = sorted(new_id(at) for at in times)
    after, before = first_id(START + since), first_id(START + until)

    def between(low: str, high: str) -> list[str]:
        return ids[bisect_right(ids, low) : bisect_left(ids, high)]

    def next_id(low: str, high: str) -> str | None:
        return next(iter(between(low, high)), None)

    def stretch(low: str, high: str, most: int) -> tuple[str, int]:
        found = between(low, high)[:most]
        return found[-1], len(found)

    chunks = list(cut(after, before, next_id, stretch, limit))

    found = [id_ for c in chunks for id_ in ids if c.first_id <= id_ <= c.last_id]
    assert found == between(after, before)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert 1 <= chunk.rows <= limit
        assert made_at(chunk.first_id) // DAY_MS == made_at(chunk.last_id) // DAY_MS
    for one, next_ in pairwise(chunks):
        assert one.rows == limit or one.day != next_.day, "a chunk is as large as it may be"


def test_the_day_of_a_chunk_is_that_of_its_ids() -> None:
    id_ = new_id(1_793_491_200_000)
    (chunk,) = cut("", "z", lambda after, _: None if after else id_, lambda *_: (id_, 1))
    assert chunk.day == "2026-11-01"
    assert made_at(id_) == 1_793_491_200_000
