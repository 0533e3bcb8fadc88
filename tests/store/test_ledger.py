"""The ledger finds every broken promise, and nothing where there is none.

The database's constraints make most of these impossible; a test takes them away first, as a
damaged file or a hand in the database would.
"""

from collections.abc import Callable
from itertools import product

import pytest

from ingest.events import DeliveryState, EventState
from ingest.jobs.states import JobState
from ingest.jobs.workflow import chain
from ingest.store import Database, claims, destinations, dispatch, jobs, ledger, queries, replay
from ingest.store.ledger import Depth
from tests.store.job_making import FAILED, call, end, held, made, made_one
from tests.store.making import (
    CRASH,
    FAILURE,
    REFUSAL,
    a_worker,
    claimed,
    dispatched,
    end_leases,
    execute,
    now_ms,
    one,
    settled,
    stored,
)

#: Of two workers, the one that holds a delivery and not a job.
DELIVERS = "id IN (SELECT worker_id FROM deliveries)"


def without_checks(database: Database, statement: str) -> None:
    """Write what the CHECK constraints forbid."""
    if database.dialect == "sqlite":
        with database.write() as tx:
            tx.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            tx.exec_driver_sql(statement)
            tx.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")
        return
    for table, constraint in product(("deliveries", "jobs"), ("wake", "claim", "finished")):
        drop = f"DROP CONSTRAINT IF EXISTS {table}_{constraint}_check"
        execute(database, f"ALTER TABLE {table} {drop}")
    execute(database, statement)


def a_whole_life(database: Database) -> None:
    """Every way that an event and a delivery can go."""
    worker = a_worker(database)
    (unmatched,) = stored(database)
    dispatch.dispatch(database, [(unmatched, ())])
    stored(database)
    found = claimed(database, worker, dispatched(database, "a", "b", "c", "d", "e", "f"))
    later = now_ms() + 60_000
    outcomes = [
        settled(found[0]),
        settled(found[1], DeliveryState.DEAD, REFUSAL),
        settled(found[2], DeliveryState.QUARANTINED, CRASH),
        settled(found[3], DeliveryState.WAITING, FAILURE, wake_at=later),
    ]
    claims.record(database, worker, outcomes, {})
    claims.release(database, worker, found[4:5])
    replay.replay_delivery(database, found[1].delivery_id)
    replay.replay_event(database, found[0].event.id)
    a_working_life(database, a_worker(database))


def a_working_life(database: Database, worker: str) -> None:
    """Jobs that wait, are held, wait for others, and have ended in each way."""
    made_one(database, "waits")
    held(database, worker, made_one(database, "runs"))
    made(database, chain(call("first"), call("second")))
    end(database, worker, made_one(database, "done"))
    end(database, worker, made_one(database, "failed"), JobState.FAILURE, FAILED)
    jobs.cancel(database, made_one(database, "cancelled"))


def test_an_ordinary_life_breaks_no_promise(database: Database) -> None:
    a_whole_life(database)
    assert set(ledger.violations(database).values()) == {0}
    assert len(ledger.violations(database)) == 9


def lose_a_dispatch(database: Database) -> None:
    (event,) = stored(database)
    execute(database, "UPDATE events SET stored_at = stored_at - 61000 WHERE id = :id", id=event.id)


def lose_a_delivery(database: Database) -> None:
    dispatched(database, "kept", "lost")
    execute(database, "DELETE FROM deliveries WHERE destination = 'lost'")


def deliver_twice(database: Database) -> None:
    """One delivery more than there are matched routes."""
    dispatched(database, "wanted")
    execute(
        database,
        "INSERT INTO deliveries (id, event_id, destination, kind, queue, generation, state, due_at,"
        " wake_at, created_at) SELECT 'x', event_id, 'z', kind, queue, generation, 'waiting', 1, 1,"
        " 1 FROM deliveries WHERE destination = 'wanted'",
    )


def lose_a_wake_time(database: Database) -> None:
    without_checks(database, "UPDATE deliveries SET wake_at = NULL WHERE destination = 'd'")


def lose_a_worker(database: Database) -> None:
    execute(database, f"UPDATE workers SET lease_until = lease_until - 71000 WHERE {DELIVERS}")


def lose_a_workers_row(database: Database) -> None:
    execute(database, f"DELETE FROM workers WHERE {DELIVERS}")


def lose_an_attempt(database: Database) -> None:
    execute(database, "DELETE FROM attempts WHERE outcome = 'succeeded'")


def lose_a_jobs_wake_time(database: Database) -> None:
    without_checks(database, "UPDATE jobs SET wake_at = NULL WHERE kind = 'waits'")


def lose_what_a_job_waits_for(database: Database) -> None:
    execute(database, "DELETE FROM job_links")


def lose_a_jobs_worker(database: Database) -> None:
    execute(database, "UPDATE jobs SET worker_id = 'nobody' WHERE kind = 'runs'")


def end_a_job_by_hand(database: Database) -> None:
    ended = "UPDATE jobs SET state = 'success', wake_at = NULL, finished_at = 1"
    execute(database, f"{ended} WHERE kind = 'waits'")


def forget_what_a_job_failed_of(database: Database) -> None:
    execute(database, "UPDATE jobs SET attempts = 0 WHERE kind = 'failed'")


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (lose_a_jobs_wake_time, "job_without_wake"),
        (lose_what_a_job_waits_for, "job_waits_for_nothing"),
        (lose_a_jobs_worker, "job_without_worker"),
        (end_a_job_by_hand, "job_ended_without_attempt"),
        (forget_what_a_job_failed_of, "job_ended_without_attempt"),
        (lose_a_dispatch, "event_undispatched"),
        (lose_a_delivery, "delivery_missing"),
        (lose_a_wake_time, "waiting_without_wake"),
        (lose_a_worker, "running_without_worker"),
        (lose_a_workers_row, "running_without_worker"),
        (deliver_twice, "delivery_missing"),
        (lose_an_attempt, "ended_without_attempt"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_broken_promise_is_found(
    database: Database, harm: Callable[[Database], None], name: str
) -> None:
    a_whole_life(database)
    harm(database)
    found = ledger.violations(database)
    assert found.pop(name) == 1
    assert set(found.values()) == {0}


def test_a_dead_worker_is_no_violation_before_it_should_have_been_freed(
    database: Database,
) -> None:
    claimed(database, a_worker(database), dispatched(database, "a"))
    end_leases(database)
    assert set(ledger.violations(database).values()) == {0}


def test_only_the_newest_are_looked_at_where_that_is_asked(database: Database) -> None:
    a_whole_life(database)
    lose_an_attempt(database)
    assert ledger.violations(database, newest=1_000)["ended_without_attempt"] == 1
    dispatched(database, "a", count=5)
    assert ledger.violations(database, newest=5)["ended_without_attempt"] == 0


def test_an_audit_comes_to_every_row_in_its_turn(database: Database) -> None:
    """Seven deliveries, three a step; the lost attempt is found until a round finds it no more."""
    a_whole_life(database)
    assert one(database, "SELECT count(*) FROM deliveries") == 7
    lose_an_attempt(database)
    audit = ledger.Audit(database, 3)
    assert [audit.step()["ended_without_attempt"] for _ in range(6)] == [1] * 6
    execute(
        database,
        "INSERT INTO attempts (delivery_id, number, started_at, finished_at, outcome, code,"
        " message, worker_id) SELECT id, starts, 0, 0, 'succeeded', '', '', '' FROM deliveries"
        " WHERE state = 'succeeded'",
    )
    found = [audit.step() for _ in range(9)]
    assert found[0]["ended_without_attempt"] == 1
    assert set(found[-1].values()) == {0}


def test_depths_count_what_waits_and_what_runs(database: Database) -> None:
    (event, *_) = stored(database, 2)
    worker = a_worker(database)
    refs = dispatched(database, "a", count=3)
    claimed(database, worker, refs[:1])
    execute(database, "UPDATE events SET stored_at = stored_at - 9000 WHERE id = :id", id=event.id)
    execute(database, "UPDATE deliveries SET due_at = due_at - 7000 WHERE id = :id", id=refs[1].id)
    dispatch_depth, waiting, running = ledger.depths(database)
    assert dispatch_depth.queue == "dispatch"
    assert (dispatch_depth.state, dispatch_depth.count) == (EventState.STORED, 2)
    assert dispatch_depth.oldest_age_ms is not None
    assert 9_000 <= dispatch_depth.oldest_age_ms < 15_000
    assert (waiting.queue, waiting.state, waiting.count) == ("deliver", DeliveryState.WAITING, 2)
    assert waiting.oldest_age_ms is not None
    assert 7_000 <= waiting.oldest_age_ms < 15_000
    assert running == Depth("deliver", DeliveryState.RUNNING, 1, None)


def test_a_retry_far_ahead_makes_no_queue_look_late(database: Database) -> None:
    dispatched(database, "a")
    execute(database, "UPDATE deliveries SET due_at = due_at + 60000, wake_at = wake_at + 60000")
    (depth,) = ledger.depths(database)
    assert depth.oldest_age_ms == 0


@pytest.mark.parametrize("moved", [False, True])
def test_what_somebody_paused_counts_and_makes_no_queue_look_late(
    database: Database, *, moved: bool
) -> None:
    refs = dispatched(database, "a", "b", count=2)
    execute(database, "UPDATE deliveries SET due_at = due_at - 90000 WHERE destination = 'a'")
    if moved:  # its queue was changed, and old rows are still in the one before
        execute(database, "UPDATE deliveries SET queue = 'other' WHERE id = :id", id=refs[0].id)
    destinations.pause(database, "a", "it asked for quiet")
    found = {depth.queue: depth for depth in ledger.depths(database)}
    assert sum(depth.count for depth in found.values()) == 4
    assert all((depth.oldest_age_ms or 0) < 60_000 for depth in found.values())
    destinations.resume(database, "a")
    assert max(depth.oldest_age_ms or 0 for depth in ledger.depths(database)) >= 90_000


def test_a_destination_that_changed_its_queue_counts_in_both(database: Database) -> None:
    refs = dispatched(database, "a", "b", count=2)
    execute(database, "UPDATE deliveries SET queue = 'other' WHERE id = :id", id=refs[0].id)
    found = {depth.queue: depth.count for depth in ledger.depths(database)}
    assert found == {"deliver": 3, "other": 1}


def test_nothing_stored_is_no_depth(database: Database) -> None:
    assert ledger.depths(database) == []


def test_dead_letters_are_counted_until_they_are_replayed(database: Database) -> None:
    worker = a_worker(database)
    found = claimed(database, worker, dispatched(database, "a", "b", "c"))
    outcomes = [settled(claim, DeliveryState.DEAD, REFUSAL) for claim in found[:2]]
    outcomes.append(settled(found[2], DeliveryState.QUARANTINED, CRASH))
    claims.record(database, worker, outcomes, {})
    assert ledger.dead_letters(database) == {"dead": 2, "quarantined": 1}
    replay.replay_delivery(database, queries.list_dead(database)[0].id)
    assert sum(ledger.dead_letters(database).values()) == 2
