"""What has long ended is cleared away; what waits, runs or belongs to it is not."""

from ingest.jobs.states import JobOutcome, JobResult, JobState
from ingest.jobs.workflow import Call, chain, chord
from ingest.store import Database, cleanup, jobs
from tests.store.job_making import MANY, call, end, held, made, made_many, made_one
from tests.store.making import DAY_MS, a_worker, execute, now_ms, one, rows

FAILED = JobResult(JobOutcome.PERMANENT, "job_error", "ValueError: no")


def aged(database: Database, days: int = 30) -> None:
    """Let everything have been made, and have ended, so long ago."""
    shift = days * DAY_MS
    digits = f"{now_ms() - shift:012x}"
    old = f"{digits[:8]}-{digits[8:]}"
    links = rows(database, "SELECT before_id, after_id, on_state, position FROM job_links")
    execute(database, "DELETE FROM job_links")
    for column in ("workflow_id", "id"):
        execute(database, f"UPDATE jobs SET {column} = '{old}' || substr({column}, 14)")
    for before, after, state, position in links:
        execute(
            database,
            f"INSERT INTO job_links VALUES ('{old}{before[13:]}', '{old}{after[13:]}',"
            " :state, :position)",
            state=state,
            position=position,
        )
    execute(database, f"UPDATE jobs SET finished_at = finished_at - {shift}")


def cleared(database: Database, limit: int = 100) -> int:
    """Look until nothing is behind; how many jobs were forgotten."""
    after, gone = "", 0
    while True:
        looked = cleanup.forget_jobs(database, 7 * DAY_MS, after, limit)
        gone += looked.forgotten
        if looked.last_id is None:
            return gone
        after = looked.last_id


def kinds(database: Database) -> list[str]:
    return sorted(row.kind for row in jobs.list_jobs(database))


def test_jobs_that_ended_long_ago_are_forgotten(database: Database) -> None:
    worker = a_worker(database)
    for state, result in ((JobState.SUCCESS, None), (JobState.FAILURE, FAILED)):
        job_id = made_one(database, state.value)
        if result is None:
            end(database, worker, job_id)
        else:
            end(database, worker, job_id, state, result)
    jobs.cancel(database, made_one(database, "revoked"))
    aged(database)
    end(database, worker, made_one(database, "young"))
    assert cleared(database) == 3
    assert kinds(database) == ["young"]


def test_what_has_not_ended_stays_however_old(database: Database) -> None:
    made_one(database, "waits")
    jobs.pause(database, made_one(database, "paused"))
    held(database, a_worker(database), made_one(database, "runs"))
    aged(database)
    assert cleared(database) == 0
    assert kinds(database) == ["paused", "runs", "waits"]


def test_one_that_ended_only_now_stays_though_it_was_made_long_ago(database: Database) -> None:
    job_id = made_one(database, "slow")
    end(database, a_worker(database), job_id)
    aged(database)
    execute(database, f"UPDATE jobs SET finished_at = {now_ms()}")
    assert cleared(database) == 0


def test_a_workflow_is_forgotten_whole_with_its_links(database: Database) -> None:
    worker = a_worker(database)
    work = chord([call("a"), call("b")], call("c"))
    for job_id in made(database, work, Call("sorry")).ids[:3]:
        end(database, worker, job_id)
    aged(database)
    assert kinds(database) == ["a", "b", "c", "sorry"]
    assert cleared(database, limit=1) == 4
    assert one(database, "SELECT count(*) FROM job_links") == 0


def test_a_workflow_stays_while_one_of_it_has_not_ended(database: Database) -> None:
    """Its end is what the others' results are for."""
    first, _second = made(database, chain(call("a"), call("b"))).ids
    end(database, a_worker(database), first)
    aged(database)
    assert cleared(database) == 0
    assert one(database, "SELECT count(*) FROM job_links") == 1


def test_a_workflow_of_any_size_is_forgotten(database: Database) -> None:
    """In small transactions, by statements of a bounded size; and by who comes after a kill."""
    made_many(database, MANY, now_ms() - 30 * DAY_MS)
    ended = "UPDATE jobs SET state = 'success', remaining = 0, wake_at = NULL, finished_at = due_at"
    execute(database, ended)
    assert cleared(database, limit=1_000) == MANY + 1
    assert one(database, "SELECT count(*) FROM job_links") == 0


def test_what_a_killed_cleanup_left_of_a_workflow_goes_the_next_time(database: Database) -> None:
    worker = a_worker(database)
    for job_id in made(database, chain(*(call(kind) for kind in "abcd"))).ids:
        end(database, worker, job_id)
    aged(database)
    execute(database, "DELETE FROM job_links")
    execute(database, "DELETE FROM jobs WHERE kind IN ('a', 'c')")
    assert cleared(database, limit=1) == 2


def test_batches_are_small_and_leave_nothing_behind(database: Database) -> None:
    worker = a_worker(database)
    for _ in range(7):
        end(database, worker, made_one(database))
    aged(database)
    assert cleanup.forget_jobs(database, 7 * DAY_MS, "", 3).forgotten == 3
    assert cleared(database, limit=3) == 4
    assert cleared(database) == 0


def test_alerts_that_are_over_are_forgotten(database: Database) -> None:
    values = "(:name, 'billing', :state, :since, NULL, 1, NULL)"
    columns = "(name, subject, state, since, last_event_at, count, value)"
    for name, state, days in (
        ("fires", "firing", 30),
        ("is over", "resolved", 30),
        ("was just over", "resolved", 1),
    ):
        execute(
            database,
            f"INSERT INTO alerts {columns} VALUES {values}",
            name=name,
            state=state,
            since=now_ms() - days * DAY_MS,
        )
    assert cleanup.forget_alerts(database, 7 * DAY_MS) == 1
    found = rows(database, "SELECT name FROM alerts ORDER BY name")
    assert found == [("fires",), ("was just over",)]
