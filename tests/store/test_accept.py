"""Arrivals become events: byte for byte, once, and each on its own."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import RowRejected
from ingest.events import Accepted, EventState
from ingest.header_pairs import headers_text
from ingest.store import Database, dispatch, queries
from ingest.store.accept import PUBLISH_GRACE_MS, accept
from tests.store.making import (
    BODY,
    accepted,
    arrival,
    execute,
    key_of,
    now_ms,
    one,
    rows,
    stored,
)

EXAMPLES = Path(__file__).parents[1] / "samples" / "github_examples.jsonl"


def test_real_webhooks_are_kept_byte_for_byte(database: Database) -> None:
    lines = EXAMPLES.read_bytes().splitlines()[:100]
    arrivals = [arrival(line, type=json.loads(line)["event"]) for line in lines]
    accepted(database, *arrivals)
    for one_arrival in arrivals:
        kept = queries.get_event(database, one_arrival.event_id)
        assert kept.body == one_arrival.body
        assert kept.type == one_arrival.type


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"\xff\xfe not utf-8", b"a=1&b=%00", bytes(range(256)), b"x" * 3_000_000]
)
def test_any_bytes_survive(database: Database, body: bytes) -> None:
    (answer,) = accepted(database, arrival(body))
    assert queries.get_event(database, answer.event_id).body == body


def test_everything_about_a_request_is_kept(database: Database) -> None:
    headers = (("B", "2"), ("A", "1"), ("b", "ÿ\t"), ("B", ""))
    made = arrival(headers=headers_text(headers), query="x=%00&y", type="naïve.ünïcode")
    accepted(database, made)
    kept = queries.get_event(database, made.event_id)
    assert kept.headers == headers
    assert kept.query == "x=%00&y"
    assert kept.type == "naïve.ünïcode"
    assert kept.content_type == made.content_type
    assert kept.received_at == made.received_at
    assert kept.trace_id == made.trace_id
    assert kept.secret_name == made.secret_name
    assert kept.provider_event_id == made.provider_event_id
    assert kept.state is EventState.STORED
    sha = one(database, "SELECT body_sha256 FROM payloads")
    assert bytes(sha) == hashlib.sha256(BODY).digest()


@pytest.mark.parametrize("said", [(True, False, None), (None, None), (True,)], ids=str)
def test_whether_a_type_is_signed_is_kept_for_all_who_look(
    database: Database, said: tuple[bool | None, ...]
) -> None:
    """One statement for all of them; SQLite's own booleans would be 0 and 1."""
    made = [arrival(type_signed=one_said) for one_said in said]
    accepted(database, *made)
    ids = [each.event_id for each in made]
    assert [queries.get_event(database, id_).type_signed for id_ in ids] == list(said)
    listed = {row.id: row.type_signed for row in queries.list_events(database)}
    to_route = {event.id: event.type_signed for event in dispatch.undispatched(database, ids)}
    for id_, one_said in zip(ids, said, strict=True):
        assert listed[id_] is to_route[id_] is one_said


def test_a_new_event_wakes_by_itself_if_its_publishing_is_lost(database: Database) -> None:
    accepted(database, arrival())
    ((stored_at, wake_at),) = rows(database, "SELECT stored_at, wake_at FROM events")
    assert 0 <= wake_at - PUBLISH_GRACE_MS - stored_at < 1_000  # two looks at the clock
    assert abs(stored_at - now_ms()) < 5_000


def test_an_empty_batch_is_nothing(database: Database) -> None:
    assert accept(database, []) == []


def test_a_second_request_with_the_same_key_names_the_first_event(database: Database) -> None:
    first, second = arrival(key=key_of("a")), arrival(key=key_of("a"))
    assert accepted(database, first) == [Accepted(first.event_id)]
    assert accepted(database, second) == [Accepted(first.event_id, duplicate=True)]
    assert [row.id for row in queries.list_events(database)] == [first.event_id]
    assert queries.get_event(database, first.event_id).duplicates == 1
    assert queries.get_event(database, first.event_id).conflicts == 0


def test_a_duplicate_in_the_same_batch_names_the_first_of_them(database: Database) -> None:
    batch = [arrival(key=key_of(name)) for name in ("a", "b", "a", "a", "b")]
    answers = accepted(database, *batch)
    first_a, first_b = batch[0].event_id, batch[1].event_id
    assert [answer.event_id for answer in answers] == [first_a, first_b, first_a, first_a, first_b]
    assert [answer.duplicate for answer in answers] == [False, False, True, True, True]
    assert queries.get_event(database, first_a).duplicates == 2
    assert queries.get_event(database, first_b).duplicates == 1


def test_the_same_id_with_another_body_is_a_duplicate_and_is_kept(database: Database) -> None:
    """A signed id names one event for its sender; the second body is evidence, not an event."""
    first = arrival(key=key_of("a"))
    other = arrival(b'{"zen":"Design for failure."}', key=key_of("a"))
    accepted(database, first)
    answers = accepted(database, other, arrival(key=key_of("a")))
    assert answers == [
        Accepted(first.event_id, duplicate=True, conflicting=True),
        Accepted(first.event_id, duplicate=True),
    ]
    event = queries.get_event(database, first.event_id)
    assert (event.body, event.duplicates, event.conflicts) == (BODY, 2, 1)
    (conflict,) = queries.list_conflicts(database, first.event_id)
    assert conflict.id == other.event_id
    assert conflict.body == other.body
    assert conflict.headers == other.headers


def test_a_conflict_within_one_batch_is_kept_too(database: Database) -> None:
    first, other = arrival(key=key_of("a")), arrival(b"{}", key=key_of("a"))
    assert accepted(database, first, other)[1].conflicting
    assert len(queries.list_conflicts(database, first.event_id)) == 1


def test_without_a_key_nothing_is_a_duplicate(database: Database) -> None:
    answers = accepted(database, arrival(), arrival())
    assert not any(answer.duplicate for answer in answers)
    assert len(queries.list_events(database)) == 2


def test_an_expired_key_belongs_to_the_next_event(database: Database) -> None:
    old = arrival(key=key_of("a"), dedupe_for_ms=-1)
    new = arrival(b"{}", key=key_of("a"))
    accepted(database, old)
    assert accepted(database, new) == [Accepted(new.event_id)]
    again = arrival(b"{}", key=key_of("a"))
    assert accepted(database, again) == [Accepted(new.event_id, duplicate=True)]


def test_how_long_a_key_counts_is_no_question_of_the_receivers_clock(database: Database) -> None:
    """One that is an hour behind would make every key of a short window one that has expired."""
    hour_ago = now_ms() - 3_600_000
    first, again = (
        arrival(key=key_of("a"), received_at=hour_ago, dedupe_for_ms=600_000) for _ in range(2)
    )
    assert accepted(database, first) == [Accepted(first.event_id)]
    assert accepted(database, again) == [Accepted(first.event_id, duplicate=True)]
    assert one(database, "SELECT expires_at FROM dedupe") > now_ms()


def test_won_lost_and_expired_keys_may_share_a_batch(database: Database) -> None:
    """Fewer rows were written than keys asked for, so who won is read from the table."""
    known = arrival(key=key_of("known"))
    expired = arrival(key=key_of("expired"), dedupe_for_ms=-1)
    accepted(database, known, expired)
    batch = [arrival(key=key_of(name)) for name in ("new", "known", "expired", "new", "expired")]
    new, _, renewed, *_ = batch
    assert accepted(database, *batch) == [
        Accepted(new.event_id),
        Accepted(known.event_id, duplicate=True),
        Accepted(renewed.event_id),
        Accepted(new.event_id, duplicate=True),
        Accepted(renewed.event_id, duplicate=True),
    ]
    assert [row.duplicates for row in queries.list_events(database)].count(1) == 3
    assert len(queries.list_events(database)) == 4


def test_a_batch_given_again_with_newcomers_names_the_same_events(database: Database) -> None:
    """The commit was made and its answer lost; meanwhile a sender repeated itself."""
    first, other = arrival(key=key_of("a")), arrival()
    accepted(database, first, other)
    again = arrival(key=key_of("a"))
    assert accepted(database, again, first, other) == [
        Accepted(first.event_id, duplicate=True),
        Accepted(first.event_id),
        Accepted(other.event_id),
    ]
    assert len(queries.list_events(database)) == 2


def test_a_batch_may_be_given_again(database: Database) -> None:
    """After a commit whose outcome is unknown the writer asks again: nothing happens twice."""
    batch = [arrival(key=key_of("a")), arrival(key=key_of("b")), arrival()]
    assert accepted(database, *batch) == accepted(database, *batch)
    events = queries.list_events(database)
    assert {row.id for row in events} == {one_arrival.event_id for one_arrival in batch}
    assert {row.duplicates for row in events} == {0}


def test_a_key_outlives_its_event(database: Database) -> None:
    """Retention may forget an event sooner than the provider stops to repeat it."""
    first = arrival(key=key_of("a"))
    accepted(database, first)
    execute(database, "DELETE FROM payloads")
    execute(database, "DELETE FROM events")
    late = [arrival(key=key_of("a")), arrival(b"{}", key=key_of("a"))]
    answers = accepted(database, *late)
    assert answers[0] == Accepted(first.event_id, duplicate=True)
    assert answers[1] == Accepted(first.event_id, duplicate=True, conflicting=True)


BAD: dict[str, dict[str, Any]] = {
    "a NUL in text": {"type": "pu\0sh"},
    "a NUL in the query": {"query": "\0"},
    "a NUL in a header": {"content_type": "text/plain\0"},
    "a lone surrogate": {"type": "\ud800"},
    "a lone surrogate in a header": {"headers": '[["X","\udfff"]]'},
    "a missing column": {"source": None},
    "a number too large": {"received_at": 2**63},
    "a key without an expiry": {"dedupe_key": key_of("bad"), "dedupe_for_ms": None},
    "a body that is none": {"body": None},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_a_bad_row_fails_alone(database: Database, changes: dict[str, Any]) -> None:
    good = [arrival(key=key_of("x")), arrival(), arrival(key=key_of("x"))]
    bad = arrival()._replace(**changes)
    answers = accept(database, [good[0], bad, *good[1:]])
    assert isinstance(answers[1], RowRejected)
    assert answers[0] == Accepted(good[0].event_id)
    assert answers[2] == Accepted(good[1].event_id)
    assert answers[3] == Accepted(good[0].event_id, duplicate=True)
    kept = {row.id for row in queries.list_events(database)}
    assert kept == {good[0].event_id, good[1].event_id}
    assert one(database, "SELECT count(*) FROM payloads") == 2
    assert one(database, "SELECT count(*) FROM dedupe") == 1


def test_a_rejection_quotes_no_body(database: Database) -> None:
    """Its text reaches the log. PostgreSQL's own message would quote the whole row."""
    bad = arrival(b"a secret in a body", body_sha256=None)
    (answer,) = accept(database, [bad])
    assert isinstance(answer, RowRejected)
    assert "secret" not in str(answer)
    assert b"a secret in a body".hex() not in str(answer)
    assert answer.__cause__ is None


def test_a_batch_of_only_bad_rows_changes_nothing(database: Database) -> None:
    answers = accept(database, [arrival(type="\0"), arrival(type="\ud800")])
    assert all(isinstance(answer, RowRejected) for answer in answers)
    assert queries.list_events(database) == []


def test_a_batch_beyond_any_limit_of_parameters_is_one_commit(database: Database) -> None:
    batch = [arrival(b"%d" % number, key=key_of(str(number))) for number in range(2_500)]
    answers = accepted(database, *batch)
    assert [answer.event_id for answer in answers] == [made.event_id for made in batch]
    assert one(database, "SELECT count(*) FROM payloads") == 2_500


def test_an_event_arrives_at_dispatch_as_it_came(database: Database) -> None:
    (event,) = stored(database, provider_event_id=None)
    assert event.json() == {"zen": "Keep it logically awesome."}
    assert event.header("X-Twice") == "1"
    assert event.provider_event_id is None
    assert event.generation == 0
