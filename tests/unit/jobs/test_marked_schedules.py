"""What ``@schedule`` accepts, and how it is found again."""

from types import ModuleType
from typing import Any

import pytest

from ingest import JobContext, job, schedule
from ingest.errors import ConfigError
from ingest.jobs.marked_schedules import schedules_of
from ingest.schedules import CatchUp, from_json, to_json
from ingest.times import Every, cron


def module(**functions: object) -> ModuleType:
    made = ModuleType("photos")
    vars(made).update(functions)
    return made


@schedule("0 2 * * *", zone="Europe/Berlin", catch_up="all", args=["attic"])
@job(name="tidy", queue="images")
def tidy(context: JobContext, folder: str, *, days: int = 1) -> tuple[str, str, int]:
    return context.kind, folder, days


@job(name="count")
@schedule(every="15m")
@schedule(every="1h", name="hourly")
def count(context: JobContext) -> None: ...


def test_a_job_says_when_it_is_made() -> None:
    found = schedules_of([module(a=tidy)])["tidy"]
    assert found.times == cron("0 2 * * *", "Europe/Berlin")
    assert found.catch_up is CatchUp.ALL
    assert (found.call.kind, found.call.args, found.call.queue) == ("tidy", ("attic",), "images")


def test_the_decorators_may_stand_in_any_order_and_more_than_once() -> None:
    found = schedules_of([module(a=count)])
    assert {name: one.times for name, one in found.items()} == {
        "count": Every(900_000),
        "hourly": Every(3_600_000),
    }


def test_a_marked_function_is_still_itself() -> None:
    assert tidy(JobContext("1", "tidy"), "attic") == ("tidy", "attic", 1)


def test_a_function_that_two_modules_have_is_one_schedule() -> None:
    assert list(schedules_of([module(a=tidy), module(b=tidy)])) == ["tidy"]


def test_what_is_written_down_is_read_back() -> None:
    for one in schedules_of([module(a=tidy, b=count)]).values():
        assert from_json(one.name, to_json(one)) == one


@pytest.mark.parametrize("text", ["{}", "not JSON", '{"kind": "x"}', "[]", "null"])
def test_what_is_no_schedule_is_not_taken_for_one(text: str) -> None:
    """As of a newer Hookkeeper that spells it otherwise."""
    with pytest.raises(ValueError, match=r"."):
        from_json("x", text)


def test_a_function_that_is_no_job_is_refused() -> None:
    @schedule(every="1h")
    def lost() -> None: ...

    with pytest.raises(ConfigError, match="lost has @schedule and is no job; add @job"):
        schedules_of([module(a=lost)])


def test_two_of_one_name_are_refused() -> None:
    @schedule(every="1h")
    @schedule(every="2h")
    @job(name="twice")
    def twice(context: JobContext) -> None: ...

    with pytest.raises(ConfigError, match="two schedules are named 'twice'"):
        schedules_of([module(a=twice)])


@pytest.mark.parametrize("words", [{"args": ["a", "b"]}, {}, {"args": ["a"], "kwargs": {"x": 1}}])
def test_arguments_that_the_job_does_not_take_are_refused(words: dict[str, Any]) -> None:
    @schedule(every="1h", **words)
    @job(name="tidy")
    def other(context: JobContext, folder: str) -> None: ...

    with pytest.raises(ConfigError, match="the schedule tidy: tidy cannot be called so"):
        schedules_of([module(a=other)])


def test_arguments_that_json_cannot_hold_are_refused() -> None:
    @schedule(every="1h", args=[object()])
    @job(name="tidy")
    def other(context: JobContext, thing: object) -> None: ...

    with pytest.raises(ConfigError, match="the schedule tidy: arguments of a job are kept as JSON"):
        schedules_of([module(a=other)])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "@schedule: cron: is missing"),
        ({"cron": "* * * * *", "every": "1m"}, "@schedule: every: is another answer"),
        ({"cron": "61 * * * *"}, "@schedule: cron: '61 * * * *': bad minute"),
        ({"cron": "* * * * *", "zone": "Moon"}, "@schedule: zone: 'Moon' is no time zone"),
        ({"every": "often"}, "@schedule: every: expected a duration"),
        ({"every": "1m", "zone": "UTC"}, "@schedule: zone: is for cron"),
        ({"every": "1m", "catch_up": "sometimes"}, "@schedule: catch_up: 'sometimes'"),
        ({"every": "1m", "name": "a b"}, "@schedule: name: a schedule's name is"),
    ],
)
def test_what_cannot_be_right_is_refused_where_it_is_written(
    words: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        schedule(**words)
    assert str(refusal.value).startswith(said)
