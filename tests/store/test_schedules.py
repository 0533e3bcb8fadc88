"""Schedules' rows: one job a moment whoever fires, what workers write, and what is forgotten."""

import threading
from itertools import count

import pytest

from ingest.errors import RowRejected
from ingest.jobs.states import JobRef
from ingest.store import Database, jobs, schedules
from ingest.store.schedules import Fire, Standing
from tests.store.job_making import TRACE_ID, call, planned
from tests.store.making import DAY_MS, execute, new_id, now_ms, one, rows

SCHEDULERS = 4
MINUTE = 60_000


def moments(*times: int) -> list[Fire]:
    return [Fire(at, planned(call("tidy")), TRACE_ID) for at in times]


def entered(database: Database, since: int = 0, name: str = "nightly") -> str:
    """A schedule that is seen to until a time."""
    schedules.enter(database, [name])
    execute(database, "UPDATE schedules SET fired_until = :at WHERE name = :n", at=since, n=name)
    return name


def standing(database: Database) -> dict[str, Standing]:
    return schedules.look(database)[1]


def fired(database: Database) -> list[tuple[str, int]]:
    return rows(database, "SELECT schedule, fire_at FROM jobs ORDER BY fire_at")


def test_each_moment_has_its_job_and_is_seen_to(database: Database) -> None:
    name = entered(database)
    refs = schedules.fire(database, name, 0, 250, moments(100, 200))
    assert refs is not None
    assert [ref.kind for ref in refs] == ["tidy", "tidy"]
    assert fired(database) == [(name, 100), (name, 200)]
    assert standing(database)[name].fired_until == 250


def test_two_schedulers_at_once_make_one_job_a_moment(database: Database) -> None:
    """Each of them looked before any fired, and fires all that it found due."""
    name = entered(database)
    start = threading.Barrier(SCHEDULERS)
    answers: list[list[JobRef] | None] = []

    def scheduler() -> None:
        start.wait()
        answers.append(schedules.fire(database, name, 0, 250, moments(100, 200)))

    threads = [threading.Thread(target=scheduler) for _ in range(SCHEDULERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(None) == SCHEDULERS - 1
    assert fired(database) == [(name, 100), (name, 200)]


def test_schedulers_that_race_for_long_leave_no_moment_out(database: Database) -> None:
    """Each takes the next moment from what it read, which another may have taken meanwhile."""
    name = entered(database)
    wanted = 40

    def scheduler() -> None:
        while (since := standing(database)[name].fired_until) < wanted:
            schedules.fire(database, name, since, since + 1, moments(since + 1))

    threads = [threading.Thread(target=scheduler) for _ in range(SCHEDULERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fired(database) == [(name, at) for at in range(1, wanted + 1)]


def test_a_moment_that_has_a_job_gets_no_other_even_when_the_row_was_lost(
    database: Database,
) -> None:
    name = entered(database)
    schedules.fire(database, name, 0, 250, moments(100))
    entered(database)
    assert schedules.fire(database, name, 0, 250, moments(100, 200)) is not None
    assert fired(database) == [(name, 100), (name, 200)]


def test_jobs_and_row_are_one_transaction(database: Database) -> None:
    """A scheduler that dies between the two would lose the moment, or have it twice."""
    name = entered(database)
    broken = Fire(200, planned(call("tidy")), None)  # type: ignore[arg-type]  # the column refuses it
    with pytest.raises(RowRejected):
        schedules.fire(database, name, 0, 250, [*moments(100), broken])
    assert fired(database) == []
    assert standing(database)[name].fired_until == 0


def test_a_new_schedule_counts_from_now(database: Database) -> None:
    before = now_ms()
    schedules.enter(database, ["nightly"])
    assert before <= standing(database)["nightly"].fired_until <= now_ms() + 1


def test_one_that_is_known_keeps_its_place(database: Database) -> None:
    entered(database, 7)
    schedules.enter(database, ["nightly"])
    assert standing(database)["nightly"].fired_until == 7


def test_workers_write_down_what_their_modules_mark(database: Database) -> None:
    schedules.sync(database, {"tidy": "{}", "count": "{}"})
    execute(database, "UPDATE schedules SET fired_until = 7")
    schedules.sync(database, {"tidy": '{"changed": 1}', "new": "{}"})
    found = standing(database)
    assert {name: row.marked for name, row in found.items()} == {
        "tidy": '{"changed": 1}',
        "count": None,
        "new": "{}",
    }
    assert (found["tidy"].fired_until, found["count"].fired_until) == (7, 7)
    assert found["new"].fired_until > 7


def test_a_mark_that_is_gone_and_back_misses_nothing(database: Database) -> None:
    """In the middle of a rolling deployment an old worker may start once more."""
    schedules.sync(database, {"tidy": "{}"})
    execute(database, "UPDATE schedules SET fired_until = 7")
    schedules.sync(database, {})
    schedules.sync(database, {"tidy": "{}"})
    assert standing(database) == {"tidy": Standing(7, "{}")}


def test_workers_that_start_at_once_agree(database: Database) -> None:
    start = threading.Barrier(SCHEDULERS)

    def worker() -> None:
        start.wait()
        schedules.sync(database, {f"s{number}": "{}" for number in range(10)})

    threads = [threading.Thread(target=worker) for _ in range(SCHEDULERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(standing(database)) == sorted(f"s{number}" for number in range(10))


def test_what_is_disabled_misses_nothing_and_catches_up_nothing(database: Database) -> None:
    schedules.sync(database, {"marked": "{}"})
    entered(database, 7, "of the file")
    execute(database, "UPDATE schedules SET fired_until = 7")
    before = now_ms()
    schedules.rest(database, standing(database))
    found = standing(database)
    assert list(found) == ["marked"]
    assert found["marked"].fired_until >= before


def test_nobodys_rows_are_forgotten_once_they_are_old(database: Database) -> None:
    schedules.sync(database, {"marked": "{}"})
    for name in ("known", "nobody's"):
        entered(database, name=name)
    execute(database, "UPDATE schedules SET fired_until = 7")
    entered(database, now_ms() - MINUTE, "young")
    assert schedules.forget(database, ["known"], DAY_MS) == 1
    assert sorted(standing(database)) == ["known", "marked", "young"]


def test_the_last_fire_of_each_is_found(database: Database) -> None:
    for name in ("a", "b"):
        entered(database, name=name)
        schedules.fire(database, name, 0, 250, moments(100, 200))
    numbers = count()
    for _ in range(3):  # jobs that no schedule made
        jobs.create(database, planned(call("tidy", next(numbers))), trace_id=new_id())
    assert schedules.last_fires(database, ["a", "c"]) == {"a": 200}
    assert one(database, "SELECT count(*) FROM jobs") == 7
