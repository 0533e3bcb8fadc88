"""A dead process's work comes back; a live one's is never taken."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.backoff import RetryPolicy
from ingest.events import AttemptOutcome, DeliveryRef, DeliveryState
from ingest.lifecycle import CRASHES_TO_QUARANTINE, LOSSES_TO_QUARANTINE, settle
from ingest.store import Database, claims, dialect, ledger, queries, workers
from ingest.store.workers import LEASE_MS
from tests.store.making import (
    CRASH,
    a_worker,
    claimed,
    dispatched,
    end_leases,
    execute,
    ids_of,
    new_id,
    now_ms,
    one,
    settled,
)


def test_a_worker_lives_until_its_lease_ends(database: Database) -> None:
    worker = a_worker(database)
    (found,) = workers.live(database)
    assert (found.id, found.host, found.pid) == (worker, "somewhere", 4711)
    assert abs(found.started_at - now_ms()) < 5_000
    end_leases(database)
    assert workers.live(database) == []
    assert workers.renew(database, worker)
    assert [live.id for live in workers.live(database)] == [worker]


def test_a_lease_is_ten_seconds(database: Database) -> None:
    a_worker(database)
    for age, alive in ((LEASE_MS - 2_000, 1), (LEASE_MS, 0)):
        a_worker(database)
        execute(database, "DELETE FROM workers")
        a_worker(database)
        execute(database, "UPDATE workers SET lease_until = lease_until - :age", age=age)
        assert len(workers.live(database)) == alive


def test_nothing_is_freed_while_its_worker_lives(database: Database) -> None:
    claimed(database, a_worker(database), dispatched(database, "a"))
    assert workers.free_expired(database, 10) == []
    (row,) = queries.list_deliveries(database)
    assert row.state is DeliveryState.RUNNING


def test_the_work_of_a_dead_worker_waits_again(database: Database) -> None:
    worker = a_worker(database)
    refs = dispatched(database, "a", "b")
    claimed(database, worker, refs)
    end_leases(database)
    freed = workers.free_expired(database, 10)
    assert sorted(ids_of(freed)) == sorted(ids_of(refs))
    assert all(ref.alone for ref in freed)
    for row in queries.list_deliveries(database):
        assert (row.state, row.crashes, row.attempts) == (DeliveryState.WAITING, 1, 0)
        assert (row.worker_id, row.claimed_at) == (None, None)
        assert row.wake_at is not None
        assert row.wake_at > now_ms() + 3_000
        (attempt,) = queries.list_attempts(database, row.id)
        assert (attempt.outcome, attempt.number) == (AttemptOutcome.CRASHED, 1)
        assert attempt.worker_id == worker
    assert one(database, "SELECT count(*) FROM workers") == 0
    assert not any(ledger.violations(database).values())


def test_freed_work_can_start_at_once(database: Database) -> None:
    """Killed work starts again within 15 s: ten for the lease, the rest for the way."""
    refs = dispatched(database, "a")
    claimed(database, a_worker(database), refs)
    end_leases(database)
    freed = workers.free_expired(database, 10)
    (again,) = claims.claim(database, a_worker(database), ids_of(freed), {})
    assert (again.starts, again.crashes) == (2, 1)


def test_the_outcome_of_a_worker_declared_dead_is_fenced(database: Database) -> None:
    """It was only stopped. Its delivery runs elsewhere by now; both outcomes would be a lie."""
    late, other = a_worker(database), a_worker(database)
    refs = dispatched(database, "a")
    (lost,) = claimed(database, late, refs)
    execute(database, "UPDATE workers SET lease_until = 0 WHERE id = :id", id=late)
    workers.free_expired(database, 10)
    assert not workers.renew(database, late)
    (taken,) = claims.claim(database, other, ids_of(refs), {})
    assert claims.record(database, late, [settled(lost)], {}).fenced == 1
    workers.register(database, late, "somewhere", 4711)
    assert claims.record(database, late, [settled(lost)], {}).fenced == 1
    assert claims.record(database, other, [settled(taken)], {}).written == 1


def lost(database: Database, ref: DeliveryRef) -> list[DeliveryRef]:
    """Let a worker die with a delivery; return what waits again."""
    claimed(database, a_worker(database), [ref])
    end_leases(database)
    return workers.free_expired(database, 10)


def crashed(database: Database, ref: DeliveryRef) -> DeliveryState:
    """Let a delivery end its own child; return what became of it."""
    worker = a_worker(database)
    (claim,) = claims.claim(database, worker, [ref.id], {})
    at = now_ms() - 2_000  # so that it is due again at once
    outcome = settle(claim, CRASH, RetryPolicy(), at, lambda: 1.0)
    claims.record(database, worker, [outcome], {})
    return outcome.state


def test_a_suspect_whose_worker_is_lost_three_times_waits_still_alone(database: Database) -> None:
    """Alone in a child it cannot have killed its worker: that was somebody else's doing."""
    (ref,) = dispatched(database, "innocent")
    for crashes in range(1, CRASHES_TO_QUARANTINE + 1):
        (freed,) = lost(database, ref)
        assert (freed.id, freed.alone) == (ref.id, True)
        (row,) = queries.list_deliveries(database)
        assert (row.state, row.crashes) == (DeliveryState.WAITING, crashes)
    others = dispatched(database, "innocent")
    together = claims.claim(database, a_worker(database), ids_of([ref, *others]), {})
    assert [claim.delivery_id for claim in together] == ids_of(others)
    (claim,) = claims.claim(database, a_worker(database), [ref.id], {})
    assert (claim.starts, claim.crashes) == (4, 3)


def test_a_worker_lost_too_often_quarantines(database: Database) -> None:
    """What eats a whole machine's memory kills parents, too: it may not go on for ever."""
    (ref,) = dispatched(database, "poison")
    for crashes in range(1, LOSSES_TO_QUARANTINE + 1):
        assert len(lost(database, ref)) == (0 if crashes == LOSSES_TO_QUARANTINE else 1)
    (row,) = queries.list_dead(database)
    assert (row.state, row.last_code) == (DeliveryState.QUARANTINED, "worker_lost")
    assert row.crashes == LOSSES_TO_QUARANTINE
    assert row.finished_at is not None
    numbers = [attempt.number for attempt in queries.list_attempts(database, ref.id)]
    assert numbers == list(range(1, LOSSES_TO_QUARANTINE + 1))
    assert not any(ledger.violations(database).values())


@pytest.mark.parametrize("losses", [1, 2, LOSSES_TO_QUARANTINE - 1])
def test_a_crash_in_its_child_quarantines_at_three_in_all(database: Database, losses: int) -> None:
    """A poison ends after the death of its batch and two of its children."""
    (ref,) = dispatched(database, "poison")
    for _ in range(losses):
        assert lost(database, ref)
    for _ in range(losses + 1, CRASHES_TO_QUARANTINE):
        assert crashed(database, ref) is DeliveryState.WAITING
    assert crashed(database, ref) is DeliveryState.QUARANTINED
    (row,) = queries.list_dead(database)
    assert (row.state, row.attempts) == (DeliveryState.QUARANTINED, 0)
    assert row.crashes == row.starts == max(losses + 1, CRASHES_TO_QUARANTINE)
    assert not any(ledger.violations(database).values())


def test_reported_crashes_and_lost_workers_count_together(database: Database) -> None:
    (ref,) = dispatched(database, "poison")
    for _ in range(2):
        assert crashed(database, ref) is DeliveryState.WAITING
    for _ in range(LOSSES_TO_QUARANTINE - 3):
        assert lost(database, ref)
    assert lost(database, ref) == []
    (row,) = queries.list_dead(database)
    assert (row.state, row.crashes) == (DeliveryState.QUARANTINED, LOSSES_TO_QUARANTINE)


def test_a_dead_worker_is_freed_step_by_step(database: Database) -> None:
    refs = dispatched(database, "a", count=5)
    claimed(database, a_worker(database), refs)
    end_leases(database)
    assert [len(workers.free_expired(database, 2)) for _ in range(4)] == [2, 2, 1, 0]
    assert one(database, "SELECT count(*) FROM workers") == 0


def test_schedulers_at_the_same_time_free_each_delivery_once(database: Database) -> None:
    refs = dispatched(database, "a", count=20)
    claimed(database, a_worker(database), refs)
    end_leases(database)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: workers.free_expired(database, 100), range(4)))
    assert sorted(id_ for refs in found for id_ in ids_of(refs)) == sorted(ids_of(refs))
    assert {row.crashes for row in queries.list_deliveries(database)} == {1}


def test_rows_of_a_worker_that_was_never_registered_come_back(database: Database) -> None:
    """A restored backup, or somebody's hand: still nothing may run for ever."""
    refs = dispatched(database, "a")
    claimed(database, a_worker(database), refs)
    execute(database, "DELETE FROM workers")
    assert ids_of(workers.free_expired(database, 10)) == ids_of(refs)


def test_a_worker_that_ends_in_order_leaves_nothing(database: Database) -> None:
    worker = a_worker(database)
    workers.retire(database, worker)
    assert one(database, "SELECT count(*) FROM workers") == 0
    assert not workers.renew(database, worker)


def test_a_worker_that_still_holds_work_stays_to_expire(database: Database) -> None:
    worker = a_worker(database)
    claimed(database, worker, dispatched(database, "a"))
    workers.retire(database, worker)
    assert one(database, "SELECT count(*) FROM workers") == 1


def test_registering_again_takes_a_new_lease(database: Database) -> None:
    worker = a_worker(database)
    end_leases(database)
    workers.register(database, worker, "somewhere", 4711)
    assert len(workers.live(database)) == 1


def test_a_stranger_can_renew_nothing(database: Database) -> None:
    assert not workers.renew(database, new_id())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_a_reboot_every_worker_is_dead(database: Database) -> None:
    """CLOCK_BOOTTIME begins again, so an old lease would look as if it lay ahead."""
    claimed(database, a_worker(database), dispatched(database, "a"))
    execute(database, "UPDATE workers SET boot_id = 'the boot before'")
    assert len(workers.free_expired(database, 10)) == 1


def test_a_lease_too_far_ahead_is_of_another_boot(database: Database) -> None:
    """Where there is no boot id (macOS), the clock alone has to tell."""
    claimed(database, a_worker(database), dispatched(database, "a"))
    execute(database, "UPDATE workers SET lease_until = lease_until + 1000")
    assert len(workers.free_expired(database, 10)) == 1


def test_the_clock_of_leases_is_not_the_clock_on_the_wall() -> None:
    """A wall clock that jumps must not end the leases of a machine's workers."""
    clock = dialect.system_clock()
    assert abs(clock.now_ms() - now_ms()) < 5_000
    assert clock.lease_ms() < now_ms() / 2
    assert clock.boot_id() == clock.boot_id()
