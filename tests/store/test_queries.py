"""Lists and details for people: filtered, paged, without bodies where there are many."""

from typing import Any

import pytest

from ingest.errors import NotFound
from ingest.events import DeliveryState, EventState
from ingest.store import Database, claims, dispatch, queries
from tests.store.making import (
    BODY,
    REFUSAL,
    a_worker,
    accepted,
    arrival,
    claimed,
    dispatched,
    execute,
    new_id,
    settled,
    stored,
)


def test_the_newest_event_comes_first(database: Database) -> None:
    made = [arrival(received_at=at) for at in (1_000, 3_000, 2_000)]
    accepted(database, *made)
    assert [row.received_at for row in queries.list_events(database)] == [3_000, 2_000, 1_000]


def test_pages_join_without_gap_or_overlap(database: Database) -> None:
    """Also among events of one millisecond."""
    made = [arrival(received_at=1_000 + number // 4) for number in range(10)]
    accepted(database, *made)
    seen: list[str] = []
    before: str | None = None
    while page := queries.list_events(database, limit=3, before_id=before):
        seen += [row.id for row in page]
        before = page[-1].id
    assert len(seen) == 10
    assert set(seen) == {one.event_id for one in made}
    assert seen == [row.id for row in queries.list_events(database)]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"source": "stripe"}, [2_000]),
        ({"source": "gitlab"}, []),
        ({"type": "push"}, [4_000, 1_000]),
        ({"source": "github", "type": "issues.opened"}, [3_000]),
        ({"since": 2_000}, [4_000, 3_000, 2_000]),
        ({"until": 2_000}, [1_000]),
        ({"since": 2_000, "until": 4_000}, [3_000, 2_000]),
        ({"state": EventState.UNMATCHED}, [4_000]),
        ({"state": EventState.STORED, "source": "github"}, [3_000, 1_000]),
        ({"limit": 2}, [4_000, 3_000]),
    ],
    ids=str,
)
def test_events_are_filtered(database: Database, filters: dict[str, Any], found: list[int]) -> None:
    *_, last = accepted(
        database,
        arrival(received_at=1_000),
        arrival(received_at=2_000, source="stripe", type="invoice.paid"),
        arrival(received_at=3_000, type="issues.opened"),
        arrival(received_at=4_000),
    )
    (event,) = dispatch.undispatched(database, [last.event_id])
    dispatch.dispatch(database, [(event, ())])
    assert [row.received_at for row in queries.list_events(database, **filters)] == found


@pytest.mark.parametrize("state", [None, DeliveryState.WAITING, DeliveryState.RUNNING])
def test_pages_of_deliveries_join_too(database: Database, state: DeliveryState | None) -> None:
    """Also where several are tried at the same moment."""
    refs = dispatched(database, "a", "b", count=5)
    for number, ref in enumerate(refs):  # the index has them in another order than their ids
        tied = "UPDATE deliveries SET wake_at = 1000, due_at = :due WHERE id = :id"
        execute(database, tied, due=1_000 - number, id=ref.id)
    if state is DeliveryState.RUNNING:
        claimed(database, a_worker(database), refs)
    seen: list[str] = []
    after: queries.Position | None = None
    while page := queries.list_deliveries(database, state=state, limit=3, after=after):
        seen += [row.id for row in page]
        after = queries.Position(page[-1].wake_at or 0, page[-1].id)
    assert len(seen) == 10
    assert seen == [row.id for row in queries.list_deliveries(database, state=state)]


def test_a_delivery_is_found_by_its_id(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    assert queries.get_delivery(database, ref.id).destination == "a"
    with pytest.raises(NotFound):
        queries.get_delivery(database, ref.id[:-1])


def test_an_event_is_found_by_the_beginning_of_its_id(database: Database) -> None:
    first = "0191b2c0-0000-7000-8000-000000000001"
    second = "0191b2c0-0000-7000-8000-000000000002"
    third = "0191b2c1-0000-7000-8000-000000000003"
    accepted(database, *(arrival(event_id=id_) for id_ in (first, second, third)))
    assert queries.get_event(database, first).id == first
    assert queries.get_event(database, "0191b2c1").id == third
    assert queries.get_event(database, first[:-1] + "2").id == second
    with pytest.raises(NotFound, match="several"):
        queries.get_event(database, "0191b2c0")


@pytest.mark.parametrize("prefix", ["0191b2c", "", "%", "0191b2c0-9", "ffffffff-ffff"])
def test_what_names_no_event_is_not_found(database: Database, prefix: str) -> None:
    accepted(database, arrival(event_id="0191b2c0-0000-7000-8000-000000000001"))
    with pytest.raises(NotFound):
        queries.get_event(database, prefix)


def test_a_page_goes_on_behind_an_event_that_was_forgotten(database: Database) -> None:
    first = arrival(received_at=1_000)
    accepted(database, first, arrival(received_at=3_000))
    (row,) = queries.list_events(database, before_id=new_id(2_000))
    assert row.id == first.event_id


def test_stored_events_are_paged_like_all_others(database: Database) -> None:
    """They are looked for in another index."""
    newest_first = [event.id for event in reversed(stored(database, 3))]
    page = queries.list_events(database, state=EventState.STORED, limit=2)
    assert [row.id for row in page] == newest_first[:2]
    (last,) = queries.list_events(database, state=EventState.STORED, before_id=page[-1].id)
    assert last.id == newest_first[2]


def test_deliveries_of_an_event_come_in_their_order(database: Database) -> None:
    (event,) = stored(database)
    refs = dispatched(database, "c", "a", "b")
    (row, *_) = queries.list_deliveries(database)
    found = queries.list_deliveries(database, event_id=row.event_id)
    assert [(row.id, row.destination) for row in found] == [
        (ref.id, ref.destination) for ref in refs
    ]
    assert queries.list_deliveries(database, event_id=event.id) == []


def test_deliveries_are_listed_by_state_and_destination(database: Database) -> None:
    refs = dispatched(database, "a", "b", count=2)
    claimed(database, a_worker(database), refs[:1])
    running = queries.list_deliveries(database, state=DeliveryState.RUNNING)
    assert [row.id for row in running] == [refs[0].id]
    waiting = queries.list_deliveries(database, state=DeliveryState.WAITING, destination="b")
    assert {row.id for row in waiting} == {refs[3].id, refs[1].id}
    assert len(queries.list_deliveries(database, limit=3)) == 3


def test_waiting_deliveries_are_listed_as_they_come_up(database: Database) -> None:
    refs = dispatched(database, "a", "b", "c")
    for number, ref in zip((2, 1, 3), refs, strict=True):
        execute(
            database, "UPDATE deliveries SET wake_at = :at WHERE id = :id", at=number, id=ref.id
        )
    found = queries.list_deliveries(database, state=DeliveryState.WAITING, limit=2)
    assert [row.destination for row in found] == ["b", "a"]


def test_dead_letters_are_listed_by_destination(database: Database) -> None:
    worker = a_worker(database)
    found = claimed(database, worker, dispatched(database, "a", "b", "c"))
    outcomes = [settled(claim, DeliveryState.DEAD, REFUSAL) for claim in found[:2]]
    claims.record(database, worker, [*outcomes, settled(found[2])], {})
    assert [row.destination for row in queries.list_dead(database)] == ["b", "a"]
    (only,) = queries.list_dead(database, destination="a", limit=5)
    assert (only.destination, only.last_status) == ("a", 410)


def test_a_list_reads_no_bodies(database: Database) -> None:
    accepted(database, arrival(BODY))
    (row,) = queries.list_events(database)
    assert not hasattr(row, "body")


def test_a_delivery_without_attempts_has_none(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    assert queries.list_attempts(database, ref.id) == []
    assert queries.list_conflicts(database, new_id()) == []
