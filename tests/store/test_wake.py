"""What nobody published, or what got lost on its way, is found and published again."""

from concurrent.futures import ThreadPoolExecutor

from ingest.store import Database, destinations, wake
from ingest.store.delivery_rows import REPUBLISH_MS
from tests.store.making import (
    a_worker,
    claimed,
    dispatched,
    execute,
    ids_of,
    now_ms,
    one,
    stored,
)


def make_due(database: Database, table: str, ago: int = 1_000) -> None:
    wake_at = now_ms() - ago
    execute(database, f"UPDATE {table} SET wake_at = :at WHERE wake_at IS NOT NULL", at=wake_at)


def test_a_new_row_is_left_to_its_publisher(database: Database) -> None:
    stored(database)
    dispatched(database, "a")
    assert wake.due_events(database, 10) == []
    assert wake.due_deliveries(database, 10) == []


def test_overdue_events_come_the_longest_waiting_first(database: Database) -> None:
    events = stored(database, 3)
    for age, event in enumerate(events):
        wake_at = now_ms() - 1_000 * (age + 1)
        execute(database, "UPDATE events SET wake_at = :at WHERE id = :id", at=wake_at, id=event.id)
    assert wake.due_events(database, 2) == [events[2].id, events[1].id]
    assert wake.due_events(database, 10) == [events[0].id]


def test_what_was_found_is_left_alone_for_ten_seconds(database: Database) -> None:
    (event,) = stored(database)
    dispatched(database, "a")
    for table, look in (("events", wake.due_events), ("deliveries", wake.due_deliveries)):
        make_due(database, table)
        assert len(look(database, 10)) == 1
        assert look(database, 10) == []
        wake_at = one(database, f"SELECT max(wake_at) FROM {table}")
        assert abs(wake_at - now_ms() - REPUBLISH_MS) < 5_000
    assert wake.due_events(database, 10) == []
    assert event.id


def test_schedulers_at_the_same_time_publish_each_row_once(database: Database) -> None:
    refs = dispatched(database, "a", "b", count=20)
    events = stored(database, 20)
    make_due(database, "events")
    make_due(database, "deliveries")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: wake.due_deliveries(database, 100), range(4)))
        woken = list(pool.map(lambda _: wake.due_events(database, 100), range(4)))
    assert sorted(id_ for refs in found for id_ in ids_of(refs)) == sorted(ids_of(refs))
    assert sorted(id_ for ids in woken for id_ in ids) == sorted(event.id for event in events)


def test_a_backlog_of_one_destination_does_not_hide_the_others(database: Database) -> None:
    dispatched(database, "busy", count=50)
    make_due(database, "deliveries", ago=60_000)
    dispatched(database, "quiet", "calm")
    execute(
        database,
        "UPDATE deliveries SET wake_at = :at WHERE destination <> 'busy'",
        at=now_ms() - 10,
    )
    found = wake.due_deliveries(database, 10)
    assert len(found) == 10
    assert {ref.destination for ref in found} == {"busy", "quiet", "calm"}


def test_a_lone_backlog_takes_the_whole_limit(database: Database) -> None:
    dispatched(database, "busy", count=30)
    make_due(database, "deliveries")
    dispatched(database, "quiet")
    assert len(wake.due_deliveries(database, 20)) == 20


def test_a_paused_destination_rests_until_it_is_resumed(database: Database) -> None:
    refs = dispatched(database, "a", "b")
    make_due(database, "deliveries")
    destinations.pause(database, "a", "maintenance")
    assert wake.due_deliveries(database, 10) == [refs[1]]
    destinations.resume(database, "a")
    assert wake.due_deliveries(database, 10) == [refs[0]]


def test_a_full_queue_is_skipped(database: Database) -> None:
    dispatched(database, "a")
    make_due(database, "deliveries")
    assert wake.due_deliveries(database, 10, {"deliver"}) == []
    assert len(wake.due_deliveries(database, 10, {"process"})) == 1


def test_what_runs_is_not_due(database: Database) -> None:
    claimed(database, a_worker(database), dispatched(database, "a"))
    make_due(database, "deliveries")
    assert wake.due_deliveries(database, 10) == []


def test_what_crashed_before_is_to_be_published_alone(database: Database) -> None:
    dispatched(database, "a")
    execute(database, "UPDATE deliveries SET crashes = 1")
    make_due(database, "deliveries")
    (ref,) = wake.due_deliveries(database, 10)
    assert ref.alone
