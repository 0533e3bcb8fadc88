"""What is old and done is forgotten, whole; what is not done is kept, however old."""

from typing import Any

from ingest.events import DeliveryState, Event
from ingest.store import Database, claims, dispatch, ledger, queries, replay, retention
from ingest.store.retention import BATCH, Pruned
from tests.store.making import (
    DAY_MS,
    FAILURE,
    a_worker,
    accepted,
    arrival,
    claimed,
    dispatched,
    execute,
    key_of,
    now_ms,
    one,
    rows,
    settled,
    stored,
    target,
)

TABLES = ("events", "payloads", "deliveries", "attempts", "duplicates")


def counts(database: Database) -> dict[str, int]:
    return {table: one(database, f"SELECT count(*) FROM {table}") for table in TABLES}


def old_and_done(database: Database, days: int = 100, **changes: Any) -> list[Event]:
    """An event that came so long ago and was delivered."""
    worker = a_worker(database)
    received_at = now_ms() - days * DAY_MS
    events = stored(database, received_at=received_at, **changes)
    refs = dispatch.dispatch(database, [(event, (target("a"),)) for event in events])
    found = claimed(database, worker, refs)
    claims.record(database, worker, [settled(claim) for claim in found], {})
    return events


def test_what_is_older_than_its_retention_is_forgotten_whole(database: Database) -> None:
    old_and_done(database, key=key_of("a"))
    accepted(database, arrival(b"{}", key=key_of("a")))
    young = old_and_done(database, days=80)
    pruned = retention.prune(database, {}, 90 * DAY_MS, 10)
    assert pruned == Pruned(events=1)
    assert [row.id for row in queries.list_events(database)] == [young[0].id]
    assert counts(database) == dict.fromkeys(TABLES, 1) | {"duplicates": 0}


def test_each_source_has_its_own_retention(database: Database) -> None:
    for source in ("short", "long", "other"):
        old_and_done(database, days=50, source=source)
    keep = {"short": 10 * DAY_MS, "long": 60 * DAY_MS}
    retention.prune(database, keep, 40 * DAY_MS, 10)
    assert [row.source for row in queries.list_events(database)] == ["long"]


def test_what_is_not_done_is_kept_however_old(database: Database) -> None:
    received_at = now_ms() - 100 * DAY_MS
    worker = a_worker(database)
    stored(database, received_at=received_at)
    dispatched(database, "waiting", received_at=received_at)
    claimed(database, worker, dispatched(database, "running", received_at=received_at))
    (claim,) = claimed(database, worker, dispatched(database, "retry", received_at=received_at))
    retry = settled(claim, DeliveryState.WAITING, FAILURE, wake_at=now_ms() + DAY_MS)
    claims.record(database, worker, [retry], {})
    (replayed,) = old_and_done(database)
    replay.replay_event(database, replayed.id)
    before = counts(database)
    assert retention.prune(database, {}, 90 * DAY_MS, 10) == Pruned()
    assert counts(database) == before
    assert not any(ledger.violations(database).values())


def test_unmatched_events_are_forgotten_too(database: Database) -> None:
    (event,) = stored(database, received_at=0)
    dispatch.dispatch(database, [(event, ())])
    assert retention.prune(database, {}, DAY_MS, 10).events == 1


def test_a_limit_is_a_step_and_the_oldest_go_first(database: Database) -> None:
    (youngest,) = stored(database, received_at=5)
    events = [*stored(database, BATCH + 49, received_at=0), youngest]
    dispatch.dispatch(database, [(event, ()) for event in events])
    assert retention.prune(database, {}, DAY_MS, BATCH + 49).events == BATCH + 49
    assert [row.id for row in queries.list_events(database)] == [youngest.id]
    assert retention.prune(database, {}, DAY_MS, BATCH + 49).events == 1
    assert retention.prune(database, {}, DAY_MS, BATCH + 49) == Pruned()


def test_dedupe_keys_live_by_their_own_expiry(database: Database) -> None:
    expired = arrival(key=key_of("a"), dedupe_for_ms=-1)
    accepted(database, expired, arrival(key=key_of("b")))
    assert retention.prune(database, {}, 90 * DAY_MS, 10) == Pruned(dedupe_keys=1)
    ((key,),) = rows(database, "SELECT key FROM dedupe")
    assert bytes(key) == key_of("b")
    assert len(queries.list_events(database)) == 2


def test_a_conflict_whose_event_was_forgotten_is_not_kept_for_ever(database: Database) -> None:
    old_and_done(database, key=key_of("a"))
    retention.prune(database, {}, 90 * DAY_MS, 10)
    accepted(database, arrival(b"{}", key=key_of("a")))
    assert retention.prune(database, {}, 90 * DAY_MS, 10) == Pruned()
    execute(database, "UPDATE duplicates SET received_at = 0")
    assert retention.prune(database, {}, 90 * DAY_MS, 10) == Pruned(duplicates=1)


def test_an_empty_store_has_nothing_to_forget(database: Database) -> None:
    assert retention.prune(database, {"github": 0}, 0, 10) == Pruned()
