"""Whoever writes a job's end learns every state that changed with it, each once: it is counted."""

from ingest.jobs.states import JobOutcome, JobResult, JobState
from ingest.jobs.workflow import chain, group
from ingest.lifecycle import LOSSES_TO_QUARANTINE
from ingest.store import Database, job_claims, jobs
from ingest.store.job_claims import RecordedJobs
from tests.store.job_making import FAILED, call, ended, held, made, made_one, state
from tests.store.making import a_worker, end_leases, execute

Changes = list[tuple[str, JobState, str]]


def changes_of(found: RecordedJobs) -> Changes:
    return sorted((one.id, one.state, one.code) for one in found.changes)


def lost(database: Database, job_id: str, crashes: int) -> None:
    """Let a worker die with a job that had crashed so many times before."""
    execute(
        database,
        "UPDATE jobs SET crashes = :crashes, starts = :crashes WHERE id = :id",
        crashes=crashes,
        id=job_id,
    )
    held(database, a_worker(database), job_id)
    end_leases(database)


def test_a_quarantined_job_and_what_waited_for_it_are_told_once(database: Database) -> None:
    work = chain(call("a"), call("b"), call("c"))
    first, second, third, errback = made(database, work, call("tell")).ids
    lost(database, first, crashes=LOSSES_TO_QUARANTINE - 1)

    freed = job_claims.free_expired(database, 10)

    assert (freed.written, [ref.id for ref in freed.due]) == (1, [errback])
    assert changes_of(freed) == [
        (first, JobState.FAILURE, "quarantined"),
        (second, JobState.REVOKED, "upstream_failed"),
        (third, JobState.REVOKED, "upstream_revoked"),
    ]
    assert {one.kind for one in freed.changes} == {"a", "b", "c"}
    assert job_claims.free_expired(database, 10).changes == []


def test_a_lost_start_is_told_though_it_is_tried_again(database: Database) -> None:
    job_id = made_one(database)
    lost(database, job_id, crashes=0)

    freed = job_claims.free_expired(database, 10)

    assert changes_of(freed) == [(job_id, JobState.PENDING, "worker_lost")]


def test_a_lost_job_that_was_to_be_cancelled_is_told_as_revoked(database: Database) -> None:
    job_id = made_one(database)
    lost(database, job_id, crashes=0)
    jobs.cancel(database, job_id)

    freed = job_claims.free_expired(database, 10)

    assert changes_of(freed) == [(job_id, JobState.REVOKED, "cancelled")]
    assert state(database, job_id) is JobState.REVOKED


def test_a_failure_tells_of_what_it_revokes(database: Database) -> None:
    worker = a_worker(database)
    first, second = made(database, chain(call("a"), call("b"))).ids
    (claim,) = held(database, worker, first)

    found = job_claims.record(database, worker, [ended(claim, JobState.FAILURE, FAILED)], {})

    assert changes_of(found) == [
        (first, JobState.FAILURE, "job_error"),
        (second, JobState.REVOKED, "upstream_failed"),
    ]


def test_an_errback_that_nobody_needs_is_told_with_the_last_member(database: Database) -> None:
    worker = a_worker(database)
    first, second, errback = made(database, group(call("a"), call("b")), call("tell")).ids
    claims = held(database, worker, first, second)

    found = [job_claims.record(database, worker, [ended(one)], {}) for one in claims]

    assert changes_of(found[0]) == [(first, JobState.SUCCESS, "")]
    assert changes_of(found[1]) == [
        (second, JobState.SUCCESS, ""),
        (errback, JobState.REVOKED, "not_needed"),
    ]


def test_what_is_fenced_changes_nothing(database: Database) -> None:
    worker = a_worker(database)
    (claim,) = held(database, worker, made_one(database))
    end_leases(database)
    job_claims.free_expired(database, 10)

    found = job_claims.record(database, worker, [ended(claim)], {})

    assert (found.fenced, found.changes) == (1, [])


def test_a_retry_that_was_cancelled_meanwhile_is_told_as_what_was_written(
    database: Database,
) -> None:
    worker = a_worker(database)
    (claim,) = held(database, worker, made_one(database))
    jobs.cancel(database, claim.id)

    again = ended(claim, JobState.PENDING, FAILED, wake_at=2_000_000_000_000)
    found = job_claims.record(database, worker, [again], {})

    assert changes_of(found) == [(claim.id, JobState.REVOKED, "cancelled")]


def test_a_claim_that_is_given_back_was_no_start(database: Database) -> None:
    worker = a_worker(database)
    (claim,) = held(database, worker, made_one(database))
    (cancelled,) = held(database, worker, made_one(database))
    jobs.cancel(database, cancelled.id)

    found = job_claims.release(database, worker, [claim, cancelled])

    assert found.written == 2
    assert changes_of(found) == [(cancelled.id, JobState.REVOKED, "cancelled")]


def test_a_job_that_is_paused_is_told_as_pending(database: Database) -> None:
    worker = a_worker(database)
    (claim,) = held(database, worker, made_one(database))
    paused = ended(claim, JobState.PENDING, JobResult(JobOutcome.PAUSED), wake_at=1)

    found = job_claims.record(database, worker, [paused], {})

    assert changes_of(found) == [(claim.id, JobState.PENDING, "")]
