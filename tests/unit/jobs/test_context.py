"""What a job hears and tells through its context."""

import time
from typing import Any

import pytest

from ingest.jobs.context import Cancelled, JobContext, Paused, Reference
from ingest.jobs.states import Order, Progress
from ingest.jobs.workflow import Call


def test_what_is_not_told_again_stays() -> None:
    context = JobContext()
    context.progress(0, 10, step="copying")
    context.progress(3, message="c.png")
    assert context.told == Progress("copying", 3, 10, "c.png")


@pytest.mark.parametrize(
    ("order", "raised"),
    [(Order.CANCEL, Cancelled), (Order.LOST, Cancelled), (Order.PAUSE, Paused)],
)
def test_an_order_is_raised_where_the_job_tells_its_progress(
    order: Order, raised: type[BaseException]
) -> None:
    """As no Exception: `except Exception` in a job does not swallow it."""
    context = JobContext()
    context.order = order
    with pytest.raises(raised):
        context.progress(1)
    assert not issubclass(raised, Exception)
    assert context.cancelled() is (raised is Cancelled)
    assert context.told.done == 1, "what was told is not lost"


def test_a_job_may_rest() -> None:
    with pytest.raises(Paused) as paused:
        JobContext().rest(30)
    assert paused.value.seconds == 30


def test_the_soft_limit_is_a_time() -> None:
    context = JobContext()
    assert not context.soft_limit_reached()
    context.soft_limit_at = time.monotonic() - 1
    assert context.soft_limit_reached()


def test_the_nth_job_of_every_start_has_the_same_key() -> None:
    keys: list[list[str]] = []
    for _ in range(2):
        asked: list[str] = []
        keys.append(asked)
        context = JobContext("7", make=lambda _work, _on_error, key, asked=asked: [*asked, key])  # type: ignore[misc]  # a default binds the loop's value
        asked += context.enqueue(Call("a"))
        asked += context.enqueue(Call("b"))
    assert keys[0] == keys[1]
    assert {"7/1", "7/2"} <= set(keys[0])


def test_outside_of_a_worker_there_is_no_database() -> None:
    with pytest.raises(RuntimeError, match="does not run in a worker"):
        _ = JobContext().database
    with pytest.raises(RuntimeError, match="does not run in a worker"):
        JobContext().enqueue(Call("a"))


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"message": ValueError("x")}, TypeError),
        ({"step": 3}, TypeError),
        ({"done": 1.5}, TypeError),
        ({"total": True}, TypeError),
        ({"done": -1}, ValueError),
        ({"done": 2**70}, ValueError),
    ],
)
def test_what_cannot_be_kept_is_the_job_s_own_error(
    told: dict[str, Any], error: type[Exception]
) -> None:
    """Found out later, it would keep its neighbours from hearing that they are cancelled."""
    context = JobContext()
    with pytest.raises(error, match="progress:"):
        context.progress(**told)
    assert context.told == Progress()


@pytest.mark.parametrize("url", ["", "x" * 2_001, b"s3://bucket/key"])
def test_a_result_does_not_come_dressed_as_its_address(url: Any) -> None:
    with pytest.raises(ValueError, match="an address"):
        Reference(url)
