"""A job is there before it runs, is made once, and can be looked at, cancelled and paused."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.errors import Conflict
from ingest.jobs.states import JobChange, JobState, Order, Progress, Told
from ingest.jobs.workflow import chain, group
from ingest.store import Database, job_claims, jobs, ledger, wake
from tests.store.job_making import (
    FAILED,
    TRACE_ID,
    call,
    end,
    ended,
    held,
    made,
    made_one,
    planned,
    row,
    state,
    states,
)
from tests.store.making import a_worker, execute, new_id, now_ms


def test_a_job_is_pending_before_anything_is_queued(database: Database) -> None:
    created = jobs.create(database, planned(call("resize", "x.png", 80)), trace_id=TRACE_ID)
    (ref,) = created.due
    assert ([ref.id], ref.kind, ref.queue, ref.alone) == (created.ids, "resize", "jobs", False)
    found = row(database, ref.id)
    assert (found.state, found.arguments) == (
        JobState.PENDING,
        '{"args":["x.png",80],"kwargs":{}}',
    )
    assert (found.trace_id, found.workflow_id, found.attempts) == (TRACE_ID, None, 0)
    assert found.wake_at is not None
    assert found.wake_at - found.created_at == 5_000


def test_an_unknown_job_is_none_and_not_pending(database: Database) -> None:
    unknown = new_id()
    assert jobs.get_job(database, unknown) is None
    for change in (jobs.cancel, jobs.pause, jobs.resume):
        assert change(database, unknown) is None


def test_the_same_key_with_the_same_arguments_is_the_same_job(database: Database) -> None:
    def again(_: int) -> tuple[list[str], bool]:
        found = jobs.create(
            database, planned(call("resize", 1)), trace_id=TRACE_ID, idempotency_key="k"
        )
        return found.ids, found.repeated

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(again, range(8)))
    assert len({ids[0] for ids, _ in found}) == 1
    assert [repeated for _, repeated in found].count(False) == 1
    assert len(jobs.list_jobs(database)) == 1


def test_a_whole_workflow_is_made_once_for_its_key(database: Database) -> None:
    work = chain(call("fetch"), group(call("resize", 80), call("resize", 160)))
    first, second = (
        jobs.create(database, planned(work), trace_id=TRACE_ID, idempotency_key="k")
        for _ in range(2)
    )
    assert (second.ids, second.repeated, second.due) == (first.ids, True, [])
    assert len(jobs.list_jobs(database, workflow_id=first.ids[0])) == 3


@pytest.mark.parametrize(
    "other",
    [call("resize", 2), chain(call("resize", 1), call("publish")), call("publish", 1)],
    ids=str,
)
def test_the_same_key_with_other_work_is_a_conflict(database: Database, other: object) -> None:
    one = jobs.create(database, planned(call("resize", 1)), trace_id=TRACE_ID, idempotency_key="k")
    with pytest.raises(Conflict, match=one.ids[0]):
        jobs.create(database, planned(other), trace_id=TRACE_ID, idempotency_key="k")  # type: ignore[arg-type]  # either
    assert len(jobs.list_jobs(database)) == 1


def test_a_key_is_found_among_jobs_of_many_kinds(database: Database) -> None:
    for kind in ("a", "resize", "z"):
        jobs.create(database, planned(call(kind)), trace_id=TRACE_ID, idempotency_key=f"for {kind}")
        made_one(database, kind)
    for kind in ("a", "resize", "z"):
        again = jobs.create(
            database, planned(call(kind)), trace_id=TRACE_ID, idempotency_key=f"for {kind}"
        )
        assert again.repeated
        with pytest.raises(Conflict, match=again.ids[0]):
            jobs.create(
                database, planned(call("b")), trace_id=TRACE_ID, idempotency_key=f"for {kind}"
            )
    assert len(jobs.list_jobs(database)) == 6


def test_a_key_that_two_ask_for_at_once_makes_jobs_of_one_of_them(database: Database) -> None:
    def ask(number: int) -> bool:
        work = planned(call(("a", "b")[number % 2]))
        try:
            return not jobs.create(database, work, trace_id="t", idempotency_key="k").repeated
        except Conflict:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(8))).count(True) == 1
    assert len(jobs.list_jobs(database)) == 1


def test_a_schedules_time_makes_one_job(database: Database) -> None:
    at = now_ms()
    found = [
        jobs.create(
            database, planned(call("report")), trace_id=TRACE_ID, schedule="daily", fire_at=when
        )
        for when in (at, at, at + 1)
    ]
    assert [one.repeated for one in found] == [False, True, False]
    assert found[0].ids == found[1].ids != found[2].ids


def test_jobs_are_listed_by_page_state_and_kind(database: Database) -> None:
    ids = [made_one(database, kind) for kind in ("a", "b", "a", "b")]
    end(database, a_worker(database), ids[0])
    newest = jobs.list_jobs(database, limit=2)
    assert [one.id for one in newest] == ids[:1:-1]
    rest = jobs.list_jobs(database, before_id=newest[-1].id)
    assert [one.id for one in rest] == ids[1::-1]
    assert [one.id for one in jobs.list_jobs(database, state=JobState.SUCCESS)] == ids[:1]
    assert [one.id for one in jobs.list_jobs(database, kind="b")] == ids[3::-2]


def test_a_job_that_waits_is_revoked_at_once_with_what_waits_for_it(database: Database) -> None:
    ids = made(database, chain(call("a"), call("b"), call("c")), call("tell")).ids
    assert jobs.cancel(database, ids[1]) == [
        JobChange(ids[1], "b", TRACE_ID, JobState.REVOKED, "cancelled"),
        JobChange(ids[2], "c", TRACE_ID, JobState.REVOKED, "upstream_revoked"),
    ]
    assert states(database, ids) == ["pending", "revoked", "revoked", "pending"]
    assert row(database, ids[1]).error_code == "cancelled"
    assert row(database, ids[2]).error_code == "upstream_revoked"
    end(database, a_worker(database), ids[0])
    assert states(database, ids) == ["success", "revoked", "revoked", "revoked"]
    assert set(ledger.violations(database).values()) == {0}


def test_a_running_job_is_told_that_it_is_cancelled(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    (claim,) = held(database, worker, job_id)
    assert job_claims.orders(database, worker, {job_id: 1}) == {job_id: Order.GO_ON}
    assert jobs.cancel(database, job_id) == [], "it has not ended yet"
    assert job_claims.orders(database, worker, {job_id: 1}) == {job_id: Order.CANCEL}
    again = ended(claim, JobState.PENDING, FAILED, wake_at=now_ms() + 1_000)
    job_claims.record(database, worker, [again], {})
    assert state(database, job_id) is JobState.REVOKED, "a cancelled job is not tried again"


def test_what_has_ended_cannot_be_cancelled(database: Database) -> None:
    job_id = made_one(database)
    end(database, a_worker(database), job_id)
    before = row(database, job_id)
    assert jobs.cancel(database, job_id) == []
    assert row(database, job_id) == before


def test_a_paused_job_waits_until_it_is_resumed(database: Database) -> None:
    worker, job_id = a_worker(database), made_one(database)
    assert jobs.pause(database, job_id) is JobState.PENDING
    assert job_claims.claim(database, worker, [job_id], {}) == []
    execute(database, "UPDATE jobs SET due_at = 0")
    assert wake.due_jobs(database, 10) == []
    assert jobs.resume(database, job_id) is JobState.PENDING
    assert [ref.id for ref in wake.due_jobs(database, 10)] == [job_id]
    held(database, worker, job_id)


def test_a_job_that_waits_for_its_next_try_is_resumed_to_that(database: Database) -> None:
    """Woken at once, it would be published and not claimed, again and again, until it is due."""
    job_id = made_one(database)
    due_at = now_ms() + 6 * 3_600_000
    execute(database, "UPDATE jobs SET due_at = :due_at, wake_at = :due_at", due_at=due_at)
    jobs.pause(database, job_id)
    jobs.resume(database, job_id)
    assert row(database, job_id).wake_at == due_at


def test_a_running_job_that_is_paused_goes_on_later_without_losing_a_try(
    database: Database,
) -> None:
    worker, job_id = a_worker(database), made_one(database)
    (claim,) = held(database, worker, job_id)
    told = Told(job_id, claim.starts, Progress("copying", 7, 10, None))
    jobs.pause(database, job_id)
    assert job_claims.save_progress(database, worker, [told]) == {job_id: Order.PAUSE}
    job_claims.release(database, worker, [claim])
    found = row(database, job_id)
    assert (found.state, found.wake_at, found.starts) == (JobState.PENDING, None, 0)
    jobs.resume(database, job_id)
    (again,) = held(database, worker, job_id)
    assert again.earlier == told.progress
    assert (again.starts, again.attempts, again.crashes) == (1, 0, 0)


def test_a_paused_job_of_a_workflow_does_not_start_when_its_turn_comes(
    database: Database,
) -> None:
    worker = a_worker(database)
    first, second = made(database, chain(call("a"), call("b"))).ids
    jobs.pause(database, second)
    assert end(database, worker, first) == []
    assert job_claims.claim(database, worker, [second], {}) == []
    jobs.resume(database, second)
    held(database, worker, second)
