"""A delivery is run by one worker at a time, and only that one writes its outcome."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ingest.events import AttemptOutcome, AttemptResult, DeliveryState
from ingest.store import Database, claims, destinations, queries, workers
from ingest.store.claims import Recorded
from ingest.store.texts import MESSAGE_LENGTH
from tests.store.making import (
    BODY,
    CRASH,
    FAILURE,
    REFUSAL,
    SUCCESS,
    a_worker,
    claimed,
    dispatched,
    end_leases,
    execute,
    ids_of,
    new_id,
    now_ms,
    settled,
)


def test_a_claim_brings_everything_that_a_worker_needs(database: Database) -> None:
    worker = a_worker(database)
    (ref,) = dispatched(database, "billing")
    execute(database, "UPDATE deliveries SET due_at = due_at - 1500")
    (claim,) = claims.claim(database, worker, [ref.id], {})
    assert (claim.event.source, claim.event.body) == ("github", BODY)
    assert claim.event.headers[0] == ("X-GitHub-Event", "push")
    assert (claim.destination, claim.kind, claim.queue) == ("billing", ref.kind, ref.queue)
    assert (claim.starts, claim.attempts, claim.crashes, claim.generation) == (1, 0, 0, 0)
    assert 1_500 <= claim.waited_ms < 10_000
    assert abs(claim.started_at - now_ms()) < 5_000
    (row,) = queries.list_deliveries(database)
    assert (row.state, row.worker_id, row.wake_at) == (DeliveryState.RUNNING, worker, None)
    assert row.claimed_at == claim.started_at


def test_claims_come_in_the_order_they_were_asked_for(database: Database) -> None:
    refs = dispatched(database, "a", count=10)[::-1]
    assert ids_of(claimed(database, a_worker(database), refs)) == ids_of(refs)


def test_deliveries_of_one_event_share_it(database: Database) -> None:
    first, second = claimed(database, a_worker(database), dispatched(database, "a", "b"))
    assert first.event == second.event
    assert first.event.body


def test_a_claimed_delivery_is_nobody_elses(database: Database) -> None:
    refs = dispatched(database, "a", count=3)
    claimed(database, a_worker(database), refs)
    assert claims.claim(database, a_worker(database), ids_of(refs), {}) == []


def test_claimers_at_the_same_time_share_without_overlap(database: Database) -> None:
    refs = dispatched(database, "a", "b", count=25)
    orders = [ids_of(refs), ids_of(refs)[::-1]] * 3

    def take(order: list[str]) -> list[str]:
        return ids_of(claims.claim(database, a_worker(database), order, {}))

    with ThreadPoolExecutor(6) as pool:
        taken = [id_ for found in pool.map(take, orders) for id_ in found]
    assert sorted(taken) == sorted(ids_of(refs))


def test_ids_that_are_unknown_or_given_twice_do_no_harm(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    found = claims.claim(database, a_worker(database), [ref.id, new_id(), ref.id], {})
    assert ids_of(found) == [ref.id]


def test_a_late_second_message_does_not_start_a_retry_early(database: Database) -> None:
    """Publishing may happen twice; the second message comes while the retry is set for later."""
    worker = a_worker(database)
    (ref,) = dispatched(database, "a")
    (claim,) = claimed(database, worker, [ref])
    later = now_ms() + 60_000
    outcome = settled(claim, DeliveryState.WAITING, FAILURE, wake_at=later)
    claims.record(database, worker, [outcome], {})
    assert claims.claim(database, worker, [ref.id], {}) == []
    (row,) = queries.list_deliveries(database)
    assert (row.state, row.wake_at) == (DeliveryState.WAITING, later)


def test_a_paused_destination_is_not_started(database: Database) -> None:
    refs = dispatched(database, "a", "b")
    worker = a_worker(database)
    destinations.pause(database, "a", "the customer asked")
    assert [c.destination for c in claims.claim(database, worker, ids_of(refs), {})] == ["b"]
    destinations.resume(database, "a")
    assert [c.destination for c in claims.claim(database, worker, ids_of(refs), {})] == ["a"]


def test_what_crashed_before_shares_no_batch(database: Database) -> None:
    refs = dispatched(database, "a", count=3)
    execute(database, "UPDATE deliveries SET crashes = 1, starts = 1 WHERE id = :id", id=refs[1].id)
    worker = a_worker(database)
    assert ids_of(claims.claim(database, worker, ids_of(refs), {})) == [refs[0].id, refs[2].id]
    (alone,) = claims.claim(database, worker, [refs[1].id], {})
    assert (alone.crashes, alone.starts) == (1, 2)


def test_a_worker_that_nobody_knows_gets_nothing(database: Database) -> None:
    """Its rows would belong to a process whose death nobody would notice."""
    refs = dispatched(database, "a")
    assert claims.claim(database, new_id(), ids_of(refs), {}) == []
    assert len(claims.claim(database, a_worker(database), ids_of(refs), {})) == 1


def test_a_claim_proves_that_its_worker_lives(database: Database) -> None:
    """A process that was stopped for a while, and that nobody missed, goes on."""
    worker = a_worker(database)
    end_leases(database)
    assert len(claims.claim(database, worker, ids_of(dispatched(database, "a")), {})) == 1
    assert [one.id for one in workers.live(database)] == [worker]


def test_a_success_ends_a_delivery_with_its_attempt(database: Database) -> None:
    worker = a_worker(database)
    (claim,) = claimed(database, worker, dispatched(database, "a"))
    outcome = settled(claim)
    assert claims.record(database, worker, [outcome], {}) == Recorded(written=1)
    (row,) = queries.list_deliveries(database)
    assert row.state is DeliveryState.SUCCEEDED
    assert row.finished_at == outcome.finished_at
    assert (row.worker_id, row.claimed_at, row.wake_at) == (None, None, None)
    assert (row.last_outcome, row.last_status) == (AttemptOutcome.SUCCEEDED, 200)
    (attempt,) = queries.list_attempts(database, claim.delivery_id)
    assert (attempt.number, attempt.outcome, attempt.status) == (1, AttemptOutcome.SUCCEEDED, 200)
    assert (attempt.started_at, attempt.finished_at) == (outcome.started_at, outcome.finished_at)
    assert attempt.worker_id == worker


def test_a_failure_waits_for_its_next_try_and_tells_why(database: Database) -> None:
    worker = a_worker(database)
    (ref,) = dispatched(database, "a")
    for number in (1, 2):
        (claim,) = claimed(database, worker, [ref])
        assert (claim.starts, claim.attempts) == (number, number - 1)
        outcome = settled(claim, DeliveryState.WAITING, FAILURE, wake_at=now_ms() - 1)
        claims.record(database, worker, [outcome], {})
    (row,) = queries.list_deliveries(database)
    assert (row.state, row.attempts, row.starts) == (DeliveryState.WAITING, 2, 2)
    assert (row.last_code, row.last_message) == ("http_503", "Service Unavailable")
    assert row.due_at == row.wake_at
    numbers = [attempt.number for attempt in queries.list_attempts(database, ref.id)]
    assert numbers == [1, 2]


@pytest.mark.parametrize(
    ("state", "result"),
    [(DeliveryState.DEAD, REFUSAL), (DeliveryState.QUARANTINED, CRASH)],
    ids=["dead", "quarantined"],
)
def test_what_is_given_up_is_listed_with_its_reason(
    database: Database, state: DeliveryState, result: AttemptResult
) -> None:
    worker = a_worker(database)
    (claim,) = claimed(database, worker, dispatched(database, "a"))
    claims.record(database, worker, [settled(claim, state, result)], {})
    (row,) = queries.list_dead(database)
    assert (row.state, row.last_code, row.last_message) == (state, result.code, result.message)


def test_a_reported_crash_counts_as_a_crash_and_not_as_an_attempt(database: Database) -> None:
    worker = a_worker(database)
    (ref,) = dispatched(database, "a")
    (claim,) = claimed(database, worker, [ref])
    outcome = settled(claim, DeliveryState.WAITING, CRASH, wake_at=now_ms() - 1)
    claims.record(database, worker, [outcome], {})
    (again,) = claimed(database, worker, [ref])
    assert (again.starts, again.attempts, again.crashes) == (2, 0, 1)


def test_an_outcome_of_somebody_elses_claim_is_fenced(database: Database) -> None:
    worker, thief = a_worker(database), a_worker(database)
    mine, other = claimed(database, worker, dispatched(database, "a", "b"))
    stale = [settled(mine), settled(replace(other, starts=7))]
    assert claims.record(database, thief, stale[:1], {}) == Recorded(fenced=1)
    assert claims.record(database, worker, stale, {}) == Recorded(written=1, fenced=1)
    assert queries.list_attempts(database, other.delivery_id) == []
    (row,) = queries.list_deliveries(database, destination="b")
    assert row.state is DeliveryState.RUNNING


def test_an_outcome_is_written_once(database: Database) -> None:
    """A commit with an unknown outcome is tried again."""
    worker = a_worker(database)
    outcomes = [settled(claim) for claim in claimed(database, worker, dispatched(database, "a"))]
    assert claims.record(database, worker, outcomes, {}).written == 1
    assert claims.record(database, worker, outcomes, {}) == Recorded(fenced=1)
    assert claims.record(database, worker, [], {}) == Recorded()


def test_an_outcome_is_never_lost_over_its_wording(database: Database) -> None:
    worker = a_worker(database)
    (claim,) = claimed(database, worker, dispatched(database, "a"))
    wild = AttemptResult(AttemptOutcome.PERMANENT, "x\0y", "\0\ud800" + "é" * 5_000)
    claims.record(database, worker, [settled(claim, DeliveryState.DEAD, wild)], {})
    (attempt,) = queries.list_attempts(database, claim.delivery_id)
    assert attempt.code == "xy"
    assert attempt.message == "?" + "é" * (MESSAGE_LENGTH - 1)


def test_a_released_claim_waits_again_as_if_it_was_never_made(database: Database) -> None:
    worker = a_worker(database)
    refs = dispatched(database, "a", count=2)
    found = claimed(database, worker, refs)
    claims.record(database, worker, [settled(found[0])], {})
    assert claims.release(database, worker, found) == [refs[1]]
    (row,) = queries.list_deliveries(database, state=DeliveryState.WAITING)
    assert (row.starts, row.crashes, row.worker_id) == (0, 0, None)
    assert row.wake_at is not None
    assert row.wake_at <= now_ms()
    (again,) = claimed(database, a_worker(database), [refs[1]])
    assert again.starts == 1
    assert claims.record(database, worker, [settled(found[1], result=SUCCESS)], {}).fenced == 1


def test_releasing_nothing_is_nothing(database: Database) -> None:
    assert claims.release(database, a_worker(database), []) == []
    assert claims.claim(database, a_worker(database), [], {}) == []
