"""What ``@job``, ``@on_startup`` and ``@on_shutdown`` accept, and how it is found again."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from ingest import JobContext, job, on_shutdown, on_startup
from ingest.errors import ConfigError
from ingest.jobs.hooks import hooks_of
from ingest.jobs.kinds import Kinds, check_kinds
from ingest.jobs.specs import jobs_of
from ingest.jobs.workflow import Call


def module(**functions: object) -> ModuleType:
    made = ModuleType("photos")
    vars(made).update(functions)
    return made


@job(name="resize", max_retries=5, queue="images", concurrency=2)
def resize(context: JobContext, image: str, *, width: int = 80) -> list[Any]:
    context.progress(1, 1)
    return [image, width]


def test_a_marked_function_is_still_itself() -> None:
    """So that a test calls it, with a context of its own."""
    context = JobContext()
    assert resize(context, "x.png", width=5) == ["x.png", 5]
    assert (context.told.done, context.told.total) == (1, 1)


def test_a_marked_function_describes_its_own_calls() -> None:
    assert resize.s("x.png", width=5) == Call("resize", ("x.png",), {"width": 5}, "images")
    with pytest.raises(ValueError, match="resize cannot be called so"):
        resize.s()  # type: ignore[call-arg]  # that is the story


def test_jobs_are_found_in_modules_once() -> None:
    found = jobs_of([module(a=resize), module(b=resize, other=print)])
    assert list(found) == ["resize"]
    spec = found["resize"]
    assert (spec.policy.attempts, spec.queue, spec.concurrency) == (6, "images", 2)


def test_two_functions_of_one_kind_are_refused() -> None:
    @job(name="resize")
    def other(context: JobContext) -> None: ...

    with pytest.raises(ConfigError, match="both have a job named 'resize'"):
        jobs_of([module(a=resize), module(b=other)])


def nothing() -> None: ...
def only_keywords(*, context: object) -> None: ...
def makes(context: object) -> Any:
    yield context


@pytest.mark.parametrize("function", [nothing, only_keywords, makes])
def test_what_cannot_be_a_job_is_refused(function: Callable[..., Any]) -> None:
    job()(function)
    with pytest.raises(ConfigError, match=r"must take the job's context|is a generator"):
        jobs_of([module(a=function)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"max_retries": True},
        {"retry_for": ValueError},
        {"retry_for": ("ValueError",)},
        {"time_limit": 0},
        {"time_limit": float("inf")},
        {"time_limit": 5, "soft_time_limit": 5},
        {"concurrency": 0},
        {"queue": "deliver"},
        {"queue": "jobs.DQ"},
    ],
    ids=str,
)
def test_an_argument_that_cannot_be_right_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(reversed(wrong))):
        job(**wrong)


def test_a_job_has_not_the_name_of_one_that_we_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.jobs.kinds.BUILT_IN", frozenset({"resize"}))
    with pytest.raises(ConfigError, match="'resize' is the name of a job that Hookkeeper brings"):
        check_kinds(jobs_of([module(a=resize)]))


def test_hooks_start_in_order_and_stop_the_other_way_round() -> None:
    @on_startup
    def one(resources: object) -> None: ...

    @on_shutdown
    def two(resources: object) -> None: ...

    @on_shutdown
    def three(resources: object) -> None: ...

    found = hooks_of([module(a=one, b=two), module(c=three, a=one)])
    assert found.startup == (one,)
    assert found.shutdown == (three, two)


def test_a_hook_takes_the_resources() -> None:
    def hook() -> None: ...

    on_startup(hook)  # type: ignore[type-var]  # that is the story
    with pytest.raises(ConfigError, match="must take one argument, the resources"):
        hooks_of([module(a=hook)])


def test_a_kind_that_there_is_not_is_named_with_its_neighbour() -> None:
    kinds = Kinds(jobs_of([module(a=resize)]))
    assert kinds.queue_of("resize") == "images"
    with pytest.raises(ValueError, match=r"no job 'rezise'.*did you mean \"resize\""):
        kinds.queue_of("rezise")
    with pytest.raises(ValueError, match="cannot be called so"):
        kinds.check(Call("resize", (), {"height": 1}))
    kinds.check(Call("resize", ("x.png",)))
