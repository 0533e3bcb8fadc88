"""A job is run by one worker at a time, and only that one writes how it went."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ingest.backoff import RetryPolicy
from ingest.jobs.states import (
    JobOutcome,
    JobRef,
    JobResult,
    JobState,
    Order,
    Progress,
    Told,
)
from ingest.lifecycle import CRASHES_TO_QUARANTINE, LOSSES_TO_QUARANTINE, settle_job
from ingest.store import Database, job_claims, jobs, ledger, wake, workers
from tests.store.job_making import (
    CRASHED,
    FAILED,
    SUCCEEDED,
    TRACE_ID,
    call,
    end,
    ended,
    held,
    ids_of,
    made_one,
    planned,
    row,
    state,
)
from tests.store.making import a_worker, end_leases, execute, new_id, now_ms


def test_a_claim_brings_everything_that_a_worker_needs(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database, "resize", "x.png")
    execute(database, "UPDATE jobs SET due_at = due_at - 1500")
    (claim,) = job_claims.claim(database, worker, [job_id], {})
    assert (claim.kind, claim.queue) == ("resize", "jobs")
    assert claim.arguments == '{"args":["x.png"],"kwargs":{}}'
    assert (claim.starts, claim.attempts, claim.crashes, claim.results) == (1, 0, 0, ())
    assert 1_500 <= claim.waited_ms < 10_000
    found = row(database, job_id)
    assert (found.state, found.worker_id, found.wake_at) == (JobState.STARTED, worker, None)
    assert found.started_at == claim.started_at


def test_one_of_many_claimers_wins(database: Database) -> None:
    ids = [made_one(database) for _ in range(10)]

    def take(order: list[str]) -> list[str]:
        worker = a_worker(database)
        return [one.id for id_ in order for one in job_claims.claim(database, worker, [id_], {})]

    with ThreadPoolExecutor(4) as pool:
        taken = [id_ for found in pool.map(take, [ids, ids[::-1]] * 2) for id_ in found]
    assert sorted(taken) == ids


def test_a_worker_that_nobody_knows_gets_nothing(database: Database) -> None:
    job_id = made_one(database)
    assert job_claims.claim(database, new_id(), [job_id], {}) == []
    assert job_claims.claim(database, a_worker(database), [], {}) == []


def test_a_cap_holds_over_all_workers(database: Database) -> None:
    ids = [made_one(database, "export") for _ in range(4)]
    one, other = a_worker(database), a_worker(database)
    found = job_claims.claim(database, one, ids[:1], {"export": 2})
    found += job_claims.claim(database, other, ids[1:2], {"export": 2})
    assert len(found) == 2
    assert job_claims.claim(database, other, ids[2:3], {"export": 2}) == []
    deferred = row(database, ids[2])
    assert deferred.wake_at is not None
    assert deferred.wake_at <= now_ms() + 1_000
    made_one(database, "resize")
    freed = job_claims.record(database, one, [ended(found[0])], {"export": 2})
    assert ids_of(freed.due) == ids[2:3], "the slot is taken by the next in line at once"


def test_a_success_ends_a_job_with_its_result(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    end(database, worker, job_id)
    found = row(database, job_id)
    assert (found.state, found.result, found.result_ref) == (JobState.SUCCESS, '{"rows":3}', None)
    assert (found.attempts, found.starts, found.worker_id) == (1, 1, None)
    assert found.finished_at is not None
    assert set(ledger.violations(database).values()) == {0}


def test_a_retry_is_pending_until_its_time_and_tells_why(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    (claim,) = held(database, worker, job_id)
    later = now_ms() + 60_000
    again = ended(claim, JobState.PENDING, FAILED, wake_at=later)
    job_claims.record(database, worker, [again], {})
    found = row(database, job_id)
    assert (found.state, found.wake_at, found.due_at) == (JobState.PENDING, later, later)
    assert (found.error_code, found.error_message) == (FAILED.code, FAILED.message)
    assert (found.attempts, found.finished_at) == (1, None)
    assert job_claims.claim(database, worker, [job_id], {}) == []
    execute(database, "UPDATE jobs SET due_at = 0")
    (claim,) = held(database, worker, job_id)
    job_claims.record(database, worker, [ended(claim)], {})
    assert row(database, job_id).error_code is None


def test_an_outcome_of_somebody_elses_claim_is_fenced(database: Database) -> None:
    worker, thief = a_worker(database), a_worker(database)
    (claim,) = held(database, worker, made_one(database))
    assert job_claims.record(database, thief, [ended(claim)], {}).fenced == 1
    stale = replace(claim, starts=7)
    assert job_claims.record(database, worker, [ended(stale)], {}).fenced == 1
    assert state(database, claim.id) is JobState.STARTED
    assert job_claims.record(database, worker, [ended(claim)], {}).written == 1
    assert job_claims.record(database, worker, [ended(claim)], {}).fenced == 1


def test_an_outcome_is_never_lost_over_its_wording(database: Database) -> None:
    wild = JobResult(JobOutcome.PERMANENT, "x\0y", "\0\ud800" + "é" * 5_000)
    job_id = made_one(database)
    end(database, a_worker(database), job_id, JobState.FAILURE, wild)
    assert row(database, job_id).error_code == "xy"
    assert len(row(database, job_id).error_message or "") == 2_000


def test_progress_is_kept_and_seen_while_it_runs(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    (claim,) = held(database, worker, job_id)
    progress = Progress("copying", 5, 10, "half\0way")
    job_claims.save_progress(database, worker, [Told(job_id, claim.starts, progress)])
    found = row(database, job_id)
    assert found.state is JobState.PROGRESS
    assert found.progress == replace(progress, message="halfway")


def test_who_lost_a_job_writes_no_progress_and_hears_so(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    (claim,) = held(database, worker, job_id)
    end_leases(database)
    job_claims.free_expired(database, 10)
    told = Told(job_id, claim.starts, Progress(done=1))
    assert job_claims.save_progress(database, worker, [told]) == {job_id: Order.LOST}
    assert row(database, job_id).progress == Progress()


def test_a_released_claim_waits_again_as_if_it_was_never_made(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    (claim,) = held(database, worker, job_id)
    assert ids_of(job_claims.release(database, worker, [claim]).due) == [job_id]
    assert (row(database, job_id).starts, state(database, job_id)) == (0, JobState.PENDING)
    held(database, worker, job_id)
    assert ids_of(job_claims.release_unconfirmed(database, worker, [job_id]).due) == [job_id]
    assert job_claims.release_unconfirmed(database, a_worker(database), [job_id]).written == 0


def test_a_dead_workers_job_is_freed_and_runs_alone(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    held(database, worker, job_id)
    assert job_claims.free_expired(database, 10).written == 0
    end_leases(database)
    (ref,) = job_claims.free_expired(database, 10).due
    assert (ref.id, ref.alone) == (job_id, True)
    assert (row(database, job_id).crashes, row(database, job_id).attempts) == (1, 0)
    assert [one.id for one in workers.live(database)] == []
    other = a_worker(database)
    assert job_claims.claim(database, other, [job_id, made_one(database)], {})[0].crashes == 0
    held(database, other, job_id)


def test_a_worker_that_holds_a_job_stays_until_it_is_freed(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    held(database, worker, job_id)
    workers.retire(database, worker)
    end_leases(database)
    assert workers.free_expired(database, 10) == []
    assert ids_of(job_claims.free_expired(database, 10).due) == [job_id]


def test_a_job_that_has_no_slot_is_not_woken_before_it_is_due(database: Database) -> None:
    """Its message was older than its next try; it would come back every second until then."""
    worker, job_id = a_worker(database), made_one(database)
    due_at = now_ms() + 6 * 3_600_000
    execute(database, "UPDATE jobs SET due_at = :due_at, wake_at = :due_at", due_at=due_at)
    assert job_claims.claim(database, worker, [job_id], {"resize": 0}) == []
    assert row(database, job_id).wake_at == due_at


def test_a_claim_knows_the_time_of_the_schedule_that_it_was_made_for(database: Database) -> None:
    worker, asked_for = a_worker(database), made_one(database)
    (ref,) = jobs.create(
        database, planned(call("report")), trace_id=TRACE_ID, schedule="daily", fire_at=1_000
    ).due
    claims = held(database, worker, asked_for, ref.id)
    assert [claim.fire_at for claim in claims] == [None, 1_000]


def lost(database: Database, job_id: str) -> list[JobRef]:
    """Let a worker die with a job; return what is to start again."""
    held(database, a_worker(database), job_id)
    end_leases(database)
    freed = job_claims.free_expired(database, 10).due
    execute(database, "UPDATE jobs SET due_at = 0 WHERE id = :id", id=job_id)
    return freed


def crashed(database: Database, job_id: str) -> JobState:
    """Let a job end its own child; return what became of it."""
    worker = a_worker(database)
    (claim,) = held(database, worker, job_id)
    outcome = settle_job(claim, CRASHED, RetryPolicy(), now_ms() - 2_000, lambda: 1.0)
    job_claims.record(database, worker, [outcome], {})
    return outcome.state


def test_a_suspect_whose_worker_is_lost_three_times_waits_still_alone(database: Database) -> None:
    """Alone in a child it cannot have killed its worker: that was somebody else's doing."""
    job_id, other = made_one(database), made_one(database)
    for crashes in range(1, CRASHES_TO_QUARANTINE + 1):
        (ref,) = lost(database, job_id)
        assert (ref.id, ref.alone) == (job_id, True)
        found = row(database, job_id)
        assert (found.state, found.crashes) == (JobState.PENDING, crashes)
    together = job_claims.claim(database, a_worker(database), [job_id, other], {})
    assert [claim.id for claim in together] == [other]
    (claim,) = held(database, a_worker(database), job_id)
    assert (claim.starts, claim.crashes) == (4, 3)


def test_a_worker_lost_too_often_quarantines(database: Database) -> None:
    """What eats a whole machine's memory kills parents, too: it may not go on for ever."""
    job_id = made_one(database)
    for _ in range(LOSSES_TO_QUARANTINE - 1):
        assert ids_of(lost(database, job_id)) == [job_id]
    assert lost(database, job_id) == []
    found = row(database, job_id)
    assert (found.state, found.error_code) == (JobState.FAILURE, "quarantined")
    assert found.crashes == found.starts == LOSSES_TO_QUARANTINE
    assert set(ledger.violations(database).values()) == {0}


@pytest.mark.parametrize("losses", [1, 2, LOSSES_TO_QUARANTINE - 1])
def test_a_crash_in_its_child_quarantines_at_three_in_all(database: Database, losses: int) -> None:
    """A job that ends its process fails after the death of its batch and two of its children."""
    job_id = made_one(database)
    for _ in range(losses):
        assert lost(database, job_id)
    for _ in range(losses + 1, CRASHES_TO_QUARANTINE):
        assert crashed(database, job_id) is JobState.PENDING
    assert crashed(database, job_id) is JobState.FAILURE
    found = row(database, job_id)
    assert (found.error_code, found.attempts) == ("quarantined", 0)
    assert found.crashes == found.starts == max(losses + 1, CRASHES_TO_QUARANTINE)


def test_a_job_that_comes_to_a_rest_between_crashes_is_not_to_blame_for_them(
    database: Database,
) -> None:
    """A paced replay runs for days, and its workers die of their other jobs (or of a deploy)."""
    job_id = made_one(database)
    for _ in range(LOSSES_TO_QUARANTINE + 1):
        assert ids_of(lost(database, job_id)) == [job_id]
        worker = a_worker(database)
        (claim,) = held(database, worker, job_id)
        rest = ended(claim, JobState.PENDING, JobResult(JobOutcome.PAUSED), wake_at=0)
        job_claims.record(database, worker, [rest], {})
        found = row(database, job_id)
        assert (found.starts, found.attempts, found.crashes) == (0, 0, 0)
    assert set(ledger.violations(database).values()) == {0}


def test_a_job_that_is_given_back_unbegun_stays_suspect(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    held(database, worker, job_id)
    end_leases(database)
    job_claims.free_expired(database, 10)
    execute(database, "UPDATE jobs SET due_at = 0")
    other = a_worker(database)
    (claim,) = held(database, other, job_id)
    job_claims.release(database, other, [claim])
    assert (row(database, job_id).starts, row(database, job_id).crashes) == (1, 1)


def test_a_crash_in_a_child_counts_as_a_crash_and_not_as_an_attempt(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    (claim,) = held(database, worker, job_id)
    crash = ended(claim, JobState.PENDING, CRASHED, wake_at=now_ms())
    job_claims.record(database, worker, [crash], {})
    assert (row(database, job_id).crashes, row(database, job_id).attempts) == (1, 0)


def test_due_jobs_are_published_once_in_ten_seconds(database: Database) -> None:
    ids = [made_one(database) for _ in range(3)]
    assert wake.due_jobs(database, 10) == []
    execute(database, "UPDATE jobs SET wake_at = 1 WHERE id <> :id", id=ids[1])
    assert wake.due_jobs(database, 10, {"jobs"}) == []
    assert ids_of(wake.due_jobs(database, 10)) == [ids[0], ids[2]]
    assert wake.due_jobs(database, 10) == []


def test_the_depth_of_a_queue_of_jobs_is_counted(database: Database) -> None:
    worker = a_worker(database)
    first = made_one(database)
    made_one(database)
    held(database, worker, first)
    found = {(one.queue, one.state): one for one in ledger.depths(database)}
    assert found["jobs", "pending"].count == found["jobs", "started"].count == 1
    assert found["jobs", "pending"].oldest_age_ms is not None
    assert found["jobs", "started"].oldest_age_ms is None


def test_the_ledger_finds_a_job_that_waits_for_nothing(database: Database) -> None:
    job_id = made_one(database)
    end(database, a_worker(database), job_id, result=SUCCEEDED)
    waits = made_one(database)
    execute(database, "UPDATE jobs SET remaining = 1, wake_at = NULL WHERE id = :id", id=waits)
    assert ledger.violations(database)["job_waits_for_nothing"] == 1


def test_the_ledger_finds_a_job_whose_worker_is_gone(database: Database) -> None:
    held(database, a_worker(database), made_one(database))
    assert set(ledger.violations(database).values()) == {0}
    execute(database, "DELETE FROM workers")
    assert ledger.violations(database)["job_without_worker"] == 1
