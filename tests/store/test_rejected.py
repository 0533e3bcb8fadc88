"""Rejected requests: kept within their bounds, released once, forgotten in time."""

import threading
from typing import Any

import pytest

from ingest.errors import NotFound
from ingest.events import Accepted
from ingest.rejection import RejectedState
from ingest.store import Database
from ingest.store.accept import accept
from ingest.store.rejected import (
    Wanted,
    forget_rejected,
    get_rejected,
    keep,
    list_rejected,
    next_kept,
    release,
)
from tests.store.making import DAY_MS, arrival, execute, key_of, new_id, now_ms, one, rows
from tests.store.rejecting import rejected_request as request

LAST_ID = "g"  # behind every id


def kept_ids(database: Database, **wanted: Any) -> list[str]:
    return [row.id for row in list_rejected(database, Wanted(**wanted))]


def room(database: Database, source: str = "github") -> int:
    return int(one(database, "SELECT bytes FROM rejected_room WHERE source = :s", s=source))


def test_a_request_is_kept_whole(database: Database) -> None:
    came = request(body=bytes(range(256)))
    keep(database, [came])
    found = get_rejected(database, came.id[:30])
    assert found.state is RejectedState.KEPT
    for name in ("id", "source", "received_at", "method", "url", "headers", "content_type", "body"):
        assert getattr(found, name) == getattr(came, name), name
    assert (found.reason, found.detail) == (came.reason, came.detail)
    assert room(database) == found.size == came.size
    with pytest.raises(NotFound):
        get_rejected(database, "00000000-0000")


def test_they_are_listed_the_newest_first_and_by_what_is_asked(database: Database) -> None:
    old = request(received_at=now_ms() - DAY_MS)
    stale = request(reason="stale_timestamp")
    other = request(source="stripe")
    keep(database, [stale, other, old])
    assert kept_ids(database) == sorted([old.id, stale.id, other.id], reverse=True)
    assert kept_ids(database, source="github") == [stale.id, old.id]
    assert kept_ids(database, reason="stale_timestamp") == [stale.id]
    assert kept_ids(database, since=now_ms() - DAY_MS // 2, source="github") == [stale.id]
    assert kept_ids(database, state=RejectedState.RELEASED) == []
    page = list_rejected(database, Wanted(), limit=2, before_id=kept_ids(database)[0])
    assert [row.id for row in page] == kept_ids(database)[1:]


def test_the_oldest_make_room_for_the_newest(database: Database) -> None:
    """A year of scanners must not keep out what a wrong secret turns away today."""
    requests = [request(body=b"x" * 1_000, received_at=now_ms() + place) for place in range(30)]
    fits = requests[0].size * 10
    keep(database, [request(source="stripe", body=b"y" * 5_000)])
    for start in range(0, 30, 4):
        keep(database, [one._replace(total=fits) for one in requests[start : start + 4]])
    assert kept_ids(database, source="github") == [one.id for one in requests[:19:-1]]
    assert room(database) == fits
    assert len(kept_ids(database, source="stripe")) == 1


def test_two_writers_count_together(database: Database) -> None:
    total = request(body=b"x" * 1_000).size * 8

    def flood() -> None:
        for _ in range(10):
            keep(database, [request(body=b"x" * 1_000, total=total)])

    writers = [threading.Thread(target=flood) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(kept_ids(database)) == 8
    assert room(database) == total == one(database, "SELECT sum(size) FROM rejected")


def test_a_released_request_is_an_event_by_the_same_door(database: Database) -> None:
    came = request()
    keep(database, [came])
    made = arrival(key=key_of("delivery-1"), received_at=came.received_at, event_id=new_id())
    assert release(database, came.id, made) == Accepted(made.event_id)
    found = get_rejected(database, came.id)
    assert (found.state, found.released_event_id) == (RejectedState.RELEASED, made.event_id)
    assert found.released_at is not None
    assert rows(database, "SELECT state, received_at FROM events") == [("stored", came.received_at)]
    again = accept(database, [arrival(key=key_of("delivery-1"))])
    assert again == [Accepted(made.event_id, duplicate=True)], "its key was made with it"


def test_a_duplicate_is_released_to_the_first_event(database: Database) -> None:
    """The provider's own retry came through after the secret was mended."""
    came = request()
    keep(database, [came])
    (first,) = accept(database, [arrival(key=key_of("delivery-1"))])
    assert isinstance(first, Accepted)
    said = release(database, came.id, arrival(key=key_of("delivery-1")))
    assert said == Accepted(first.event_id, duplicate=True)
    assert get_rejected(database, came.id).released_event_id == first.event_id
    assert one(database, "SELECT count(*) FROM events") == 1


def test_of_many_who_release_one_request_only_one_does(database: Database) -> None:
    """Two operators run it at once; without a dedupe key nothing else would stop the second."""
    came = request()
    keep(database, [came])
    answers: list[Accepted | None] = []
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        answers.append(release(database, came.id, arrival()))

    runs = [threading.Thread(target=run) for _ in range(4)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert len([answer for answer in answers if answer is not None]) == 1
    assert one(database, "SELECT count(*) FROM events") == 1
    assert next_kept(database, Wanted(), until_id=LAST_ID, limit=10) == []


def test_a_release_that_fails_leaves_nothing_behind(database: Database) -> None:
    """Killed, or the disk full, between the event and the state: one transaction, so neither."""
    came = request()
    keep(database, [came])
    execute(database, "ALTER TABLE rejected RENAME COLUMN released_at TO hidden")
    with pytest.raises(Exception, match="released_at"):
        release(database, came.id, arrival(key=key_of("delivery-1")))
    execute(database, "ALTER TABLE rejected RENAME COLUMN hidden TO released_at")
    assert one(database, "SELECT count(*) FROM events") == 0
    assert one(database, "SELECT count(*) FROM dedupe") == 0
    assert get_rejected(database, came.id).state is RejectedState.KEPT


def test_the_ones_to_verify_come_in_the_order_of_receipt(database: Database) -> None:
    requests = [request(received_at=now_ms() + place) for place in range(5)]
    keep(database, list(reversed(requests)))
    release(database, requests[1].id, arrival())
    first = next_kept(database, Wanted(), until_id=requests[3].id, limit=2)
    rest = next_kept(database, Wanted(), after_id=first[-1].id, until_id=requests[3].id, limit=9)
    assert [one.id for one in first + rest] == [requests[place].id for place in (0, 2, 3)]


def test_what_was_kept_long_enough_is_forgotten_with_its_room(database: Database) -> None:
    ended = [request(expires_at=now_ms() - 1), request(source="stripe", expires_at=now_ms() - 1)]
    lasting = request()
    keep(database, [*ended, lasting])
    assert forget_rejected(database, 100) == 2
    assert kept_ids(database) == [lasting.id]
    assert room(database) == lasting.size
    assert room(database, "stripe") == 0
    assert forget_rejected(database, 100) == 0
