"""Pausing a destination keeps its deliveries and says why."""

from ingest.store import Database, destinations
from tests.store.making import now_ms


def test_a_pause_is_listed_with_its_reason(database: Database) -> None:
    destinations.pause(database, "b", "maintenance until noon")
    destinations.pause(database, "a", "")
    first, second = destinations.paused(database)
    assert (first.name, second.name) == ("a", "b")
    assert second.reason == "maintenance until noon"
    assert abs(second.paused_at - now_ms()) < 5_000


def test_pausing_again_changes_only_the_reason(database: Database) -> None:
    destinations.pause(database, "a", "first")
    (before,) = destinations.paused(database)
    destinations.pause(database, "a", "second")
    (after,) = destinations.paused(database)
    assert (after.reason, after.paused_at) == ("second", before.paused_at)


def test_resuming_ends_a_pause_and_does_no_harm_without_one(database: Database) -> None:
    destinations.pause(database, "a", "")
    destinations.resume(database, "a")
    destinations.resume(database, "a")
    assert destinations.paused(database) == []
