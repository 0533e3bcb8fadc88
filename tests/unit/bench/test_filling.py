"""The history that a large store is filled with: known ids, and bodies as large as it says."""

import random
from contextlib import closing

from ingest.store import open_database, queries
from ops.bench.backlog import count, size_bytes
from ops.bench.filling import DAY_MS, HISTORY_MS, History, fill
from ops.bench.request import github_event
from ops.bench.rows.stored import EVENTS, Filled, body_for

COUNT = 300


def test_every_event_is_found_by_the_id_of_its_number(database_url: str) -> None:
    history = fill(database_url, COUNT, 100, github_event().body)

    with closing(open_database(database_url)) as database:
        for number in (0, 1, 255, COUNT - 1):
            found = queries.get_event(database, history.event_id(number))
            assert found.received_at == history.start_ms + number * history.apart_ms
            assert found.body == github_event().body
    assert count(database_url) == COUNT
    assert size_bytes(database_url) > COUNT * 500


def test_an_id_of_the_ten_millionth_event_is_as_long_as_any() -> None:
    history = History(1_800_000_000_000, EVENTS)

    ids = [history.event_id(number) for number in (0, EVENTS // 2, EVENTS - 1)]
    assert ids == sorted(ids)
    assert {len(id_) for id_ in ids} == {36}


def test_bodies_are_small_only_where_the_disk_has_no_room() -> None:
    assert body_for(100 * 2**30) == github_event().body
    assert body_for(20 * 2**30) is None


def test_a_day_is_asked_for_that_the_history_has_and_the_same_one_each_time(
    database_url: str,
) -> None:
    history = History(1_800_000_000_000, EVENTS)
    with closing(open_database(database_url)) as database:
        first, again = (
            [filled.some_day() for _ in range(500)]
            for filled in (Filled(database, history, random.Random(6)) for _ in range(2))
        )

    assert first == again
    assert history.start_ms <= min(first) <= max(first) + DAY_MS <= history.start_ms + HISTORY_MS
