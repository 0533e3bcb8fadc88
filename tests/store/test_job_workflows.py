"""A callback starts once, after all that it waits for; an errback once, after the first failure."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest

from actors.middleware.insisting import insist
from ingest.jobs.states import JobOutcome, JobResult, JobState, Returned
from ingest.jobs.workflow import chain, chord, group
from ingest.lifecycle import LOSSES_TO_QUARANTINE
from ingest.store import Database, job_claims, jobs, ledger
from tests.store.job_making import (
    FAILED,
    MANY,
    call,
    end,
    ended,
    held,
    ids_of,
    made,
    made_many,
    made_one,
    row,
    states,
)
from tests.store.making import a_worker, end_leases, execute, now_ms

FAILURE = (JobState.FAILURE, FAILED)


@pytest.fixture(autouse=True)
def ledger_in_order(database: Database) -> object:
    """Whatever a story does, every job can still come to an end."""
    yield
    assert set(ledger.violations(database).values()) == {0}


def test_a_chain_goes_on_with_what_came_before(database: Database) -> None:
    worker = a_worker(database)
    work = made(database, chain(call("a"), call("b"), call("c")))
    assert ids_of(work.due) == work.ids[:1]
    assert job_claims.claim(database, worker, [work.ids[1]], {}) == []
    for number in (0, 1):
        assert end(database, worker, work.ids[number]) == [work.ids[number + 1]]
    (last,) = held(database, worker, work.ids[2])
    assert last.results == (Returned('{"rows":3}', None),)


def test_a_chords_callback_starts_after_the_last_member_with_all_results_in_order(
    database: Database,
) -> None:
    worker = a_worker(database)
    *members, callback = made(database, chord([call("m", n) for n in range(3)], call("cb"))).ids
    results = {id_: JobResult(JobOutcome.SUCCEEDED, result=str(n)) for n, id_ in enumerate(members)}
    for member in (members[2], members[0]):
        assert end(database, worker, member, result=results[member]) == []
    reference = JobResult(JobOutcome.SUCCEEDED, reference="s3://bucket/1")
    assert end(database, worker, members[1], result=reference) == [callback]
    (claim,) = held(database, worker, callback)
    expected = (Returned("0", None), Returned(None, "s3://bucket/1"), Returned("2", None))
    assert claim.results == expected


def test_members_that_end_at_the_same_moment_start_the_callback_once(database: Database) -> None:
    *members, callback, errback = made(
        database, chord([call("m", n) for n in range(8)], call("cb")), call("tell")
    ).ids
    worker = a_worker(database)
    claims = held(database, worker, *members)

    def finish(number: int) -> list[str]:
        found = job_claims.record(database, worker, [ended(claims[number])], {})
        return ids_of(found.due)

    with ThreadPoolExecutor(8) as pool:
        due = [id_ for found in pool.map(finish, range(8)) for id_ in found]
    assert due == [callback]
    end(database, worker, callback)
    assert states(database, [errback]) == ["revoked"]
    assert row(database, errback).error_code == "not_needed"


def test_the_last_two_members_that_end_see_each_other(database: Database) -> None:
    """Nothing but the errback waits for them: each must not think that the other still runs."""
    worker = a_worker(database)
    for _ in range(4):
        *members, errback = made(
            database, group(*(call("m", n) for n in range(6))), call("tell")
        ).ids
        claims = held(database, worker, *members)
        together = Barrier(6)

        def finish(number: int, claims: Any = claims, together: Any = together) -> None:
            together.wait()
            insist(
                lambda: job_claims.record(database, worker, [ended(claims[number])], {}),
                Event(),
            )  # as a worker does where five others have the database's lock for long

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(finish, range(6)))
        assert states(database, [errback]) == ["revoked"]


def test_a_repeated_outcome_counts_nothing_down_twice(database: Database) -> None:
    """A commit whose outcome is unknown is tried again."""
    worker = a_worker(database)
    first, second, callback = made(database, chord([call("a"), call("b")], call("cb"))).ids
    (claim,) = held(database, worker, first)
    for _ in range(3):
        assert job_claims.record(database, worker, [ended(claim)], {}).due == []
    assert states(database, [callback]) == ["pending"]
    assert row(database, callback).remaining == 1
    assert end(database, worker, second) == [callback]


def test_a_member_that_fails_for_good_revokes_what_waits_and_starts_the_errback_once(
    database: Database,
) -> None:
    worker = a_worker(database)
    work = chain(group(call("a"), call("b"), call("c")), call("d"), call("e"))
    a, b, c, d, e, errback = made(database, work, call("tell")).ids
    assert end(database, worker, a, *FAILURE) == [errback]
    assert states(database, [a, b, c, d, e]) == [
        *("failure", "pending", "pending", "revoked", "revoked"),
    ]
    assert row(database, d).error_code == "upstream_failed"
    assert end(database, worker, b, *FAILURE) == []
    assert end(database, worker, errback) == []
    assert end(database, worker, c) == []
    assert states(database, [a, b, c, d, e, errback]) == [
        *("failure", "failure", "success", "revoked", "revoked", "success"),
    ]


def test_failures_at_the_same_moment_start_the_errback_once(database: Database) -> None:
    *members, errback = made(database, group(*(call("m", n) for n in range(6))), call("tell")).ids
    worker = a_worker(database)
    claims = held(database, worker, *members)

    def fail(number: int) -> list[str]:
        found = job_claims.record(database, worker, [ended(claims[number], *FAILURE)], {})
        return ids_of(found.due)

    with ThreadPoolExecutor(6) as pool:
        due = [id_ for found in pool.map(fail, range(6)) for id_ in found]
    assert due == [errback]


def test_members_that_end_in_one_commit_are_each_counted_and_the_errback_once(
    database: Database,
) -> None:
    """As those of one dead process are, or of one message."""
    worker = a_worker(database)
    *members, callback = made(database, chord([call("m", n) for n in range(3)], call("cb"))).ids
    *failing, errback = made(database, group(*(call("m", n) for n in range(3))), call("tell")).ids
    good, bad = held(database, worker, *members), held(database, worker, *failing)
    settled = [*map(ended, good), *(ended(claim, *FAILURE) for claim in bad)]
    assert ids_of(job_claims.record(database, worker, settled, {}).due) == [callback, errback]


def test_a_quarantined_member_is_a_failure_like_any_other(database: Database) -> None:
    member, callback, errback = made(database, chain(call("a"), call("b")), call("tell")).ids
    execute(
        database,
        "UPDATE jobs SET crashes = :lost, starts = :lost WHERE id = :id",
        lost=LOSSES_TO_QUARANTINE - 1,
        id=member,
    )
    held(database, a_worker(database), member)
    end_leases(database)
    assert ids_of(job_claims.free_expired(database, 10).due) == [errback]
    assert states(database, [member, callback]) == ["failure", "revoked"]


def test_a_cancelled_member_revokes_what_waits_and_nobody_is_told_of_a_failure(
    database: Database,
) -> None:
    worker = a_worker(database)
    a, b, callback, errback = made(
        database, chord([call("a"), call("b")], call("cb")), call("tell")
    ).ids
    (claim,) = held(database, worker, a)
    jobs.cancel(database, a)
    cancelled = JobResult(JobOutcome.CANCELLED, "cancelled", "It was cancelled.")
    job_claims.record(database, worker, [ended(claim, JobState.REVOKED, cancelled)], {})
    assert states(database, [a, b, callback, errback]) == [
        *("revoked", "pending", "revoked", "pending"),
    ]
    end(database, worker, b)
    assert states(database, [errback]) == ["revoked"]


def test_as_many_as_there_are_are_revoked_with_the_one_that_they_waited_for(
    database: Database,
) -> None:
    """By statements of a bounded size: what a database refuses, it would refuse for ever."""
    changes = jobs.cancel(database, made_many(database, MANY, now_ms()))
    assert changes is not None
    assert len({change.id for change in changes}) == len(changes) == MANY + 1
    assert {change.state for change in changes} == {JobState.REVOKED}
    assert jobs.list_jobs(database, state=JobState.PENDING) == []


def test_workflows_nest(database: Database) -> None:
    worker = a_worker(database)
    inner = chain(call("a"), call("b"))
    first, second, third, last = made(database, chord([inner, call("c")], call("d"))).ids
    assert end(database, worker, third) == []
    assert end(database, worker, first) == [second]
    assert end(database, worker, second) == [last]


def test_a_job_by_itself_is_in_nobodys_way(database: Database) -> None:
    worker = a_worker(database)
    assert end(database, worker, made_one(database)) == []
