"""A destination's cap holds exactly, and a free slot finds the next in line."""

from concurrent.futures import ThreadPoolExecutor

from ingest.events import Claimed, DeliveryState
from ingest.store import Database, claims, destinations, queries
from ingest.store.claims import DEFER_MS
from tests.store.making import (
    FAILURE,
    a_worker,
    claimed,
    dispatched,
    execute,
    ids_of,
    now_ms,
    one,
    settled,
)


def test_no_more_than_the_cap_run_at_once(database: Database) -> None:
    refs = dispatched(database, "slow", count=5)
    worker = a_worker(database)
    found = claims.claim(database, worker, ids_of(refs), {"slow": 2})
    assert ids_of(found) == ids_of(refs[:2])
    assert claims.claim(database, worker, ids_of(refs), {"slow": 2}) == []


def test_the_rest_is_looked_at_again_in_a_second(database: Database) -> None:
    refs = dispatched(database, "slow", count=3)
    claims.claim(database, a_worker(database), ids_of(refs), {"slow": 1})
    put_off = [
        row.wake_at for row in queries.list_deliveries(database, state=DeliveryState.WAITING)
    ]
    assert len(put_off) == 2
    for wake_at in put_off:
        assert wake_at is not None
        assert now_ms() - 500 < wake_at <= now_ms() + DEFER_MS


def test_a_cap_is_its_destinations_alone(database: Database) -> None:
    """The bulkhead: a destination at its cap leaves the others all the threads."""
    refs = dispatched(database, "slow", "quick", count=3)
    found = claims.claim(database, a_worker(database), ids_of(refs), {"slow": 1, "idle": 1})
    assert [claim.destination for claim in found].count("quick") == 3
    assert [claim.destination for claim in found].count("slow") == 1


def test_a_cap_holds_with_any_number_of_claimers(database: Database) -> None:
    caps = {"a": 3, "b": 2}
    refs = dispatched(database, "a", "b", count=20)
    orders = [ids_of(refs)[start::4] for start in range(4)] * 2

    def take(order: list[str]) -> list[Claimed]:
        return claims.claim(database, a_worker(database), order, caps)

    with ThreadPoolExecutor(8) as pool:
        taken = [claim.destination for found in pool.map(take, orders) for claim in found]
    assert (taken.count("a"), taken.count("b")) == (3, 2)
    assert one(database, "SELECT count(*) FROM deliveries WHERE state = 'running'") == 5


def test_a_free_slot_brings_the_next_in_line(database: Database) -> None:
    worker, caps = a_worker(database), {"slow": 2}
    refs = dispatched(database, "slow", count=5)
    found = claims.claim(database, worker, ids_of(refs), caps)
    recorded = claims.record(database, worker, [settled(found[0])], caps)
    (freed,) = recorded.freed
    assert freed in refs[2:]
    assert ids_of(claims.claim(database, worker, [freed.id], caps)) == [freed.id]
    recorded = claims.record(database, worker, [settled(found[1])], caps)
    assert len(recorded.freed) == 1
    assert recorded.freed[0] != freed


def test_the_next_in_line_is_not_handed_out_twice(database: Database) -> None:
    """It is on its way to a worker: its wake time is moved on, as after any publishing."""
    worker, caps = a_worker(database), {"slow": 1}
    refs = dispatched(database, "slow", count=2)
    (claim,) = claims.claim(database, worker, ids_of(refs), caps)
    assert claims.record(database, worker, [settled(claim)], caps).freed == [refs[1]]
    (row,) = queries.list_deliveries(database, state=DeliveryState.WAITING)
    assert row.wake_at is not None
    assert row.wake_at > now_ms() + 5_000


def test_a_retry_that_is_not_due_is_not_next_in_line(database: Database) -> None:
    worker, caps = a_worker(database), {"slow": 2}
    found = claims.claim(database, worker, ids_of(dispatched(database, "slow", count=2)), caps)
    later = settled(found[0], DeliveryState.WAITING, FAILURE, wake_at=now_ms() + 500)
    recorded = claims.record(database, worker, [later, settled(found[1])], caps)
    assert recorded.freed == []


def test_a_slot_that_is_still_taken_frees_nothing(database: Database) -> None:
    """The cap was lowered while three ran."""
    worker = a_worker(database)
    refs = dispatched(database, "slow", count=5)
    found = claimed(database, worker, refs[:3])
    claims.claim(database, worker, ids_of(refs[3:]), {"slow": 1})
    assert claims.record(database, worker, [settled(found[0])], {"slow": 1}).freed == []


def test_a_paused_destination_frees_nothing(database: Database) -> None:
    worker, caps = a_worker(database), {"slow": 1}
    refs = dispatched(database, "slow", count=2)
    (claim,) = claims.claim(database, worker, ids_of(refs), caps)
    destinations.pause(database, "slow", "")
    assert claims.record(database, worker, [settled(claim)], caps).freed == []


def test_without_a_cap_nothing_is_freed(database: Database) -> None:
    worker = a_worker(database)
    refs = dispatched(database, "quick", count=2)
    found = claimed(database, worker, refs[:1])
    execute(database, "UPDATE deliveries SET wake_at = 0 WHERE wake_at IS NOT NULL")
    assert claims.record(database, worker, [settled(found[0])], {}).freed == []
