"""Python handlers in a worker thread: how each way to end is judged."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread

from actors.batch import UNFINISHED, Outcome
from actors.process import process_batch
from actors.runtime import Runtime
from ingest.events import AttemptOutcome, AttemptResult
from tests.actors.making import Unrecorded, claimed
from tests.actors.rig import Rig

SUCCEEDED, RETRYABLE = AttemptOutcome.SUCCEEDED, AttemptOutcome.RETRYABLE
TIMED_OUT, PERMANENT = AttemptOutcome.TIMED_OUT, AttemptOutcome.PERMANENT

HANDLERS = """
def handler(name, **options):
    return on("github", name=name, **options)

@handler("fine")
def fine(event: Event) -> None:
    note("fine", event)

@handler("fails")
def fails(event: Event) -> None:
    raise ValueError("no\\x00t \\ud800 today" + "!" * 5000)

@handler("refuses")
def refuses(event: Event) -> None:
    raise Permanent("this is not ours")

@handler("quits")
def quits(event: Event) -> None:
    sys.exit(1)

@handler("loops", time_limit=0.3)
def loops(event: Event) -> None:
    if event.body == b"loop":
        while True:
            pass

@handler("blocks", time_limit=0.3)
def blocks(event: Event) -> None:
    time.sleep(1.5)

@handler("own_timeout")
def own_timeout(event: Event) -> None:
    raise TimeoutError("of the handler's own")

@handler("async_fine")
async def async_fine(event: Event) -> None:
    await asyncio.sleep(0.3)

@handler("async_fails")
async def async_fails(event: Event) -> None:
    await asyncio.sleep(0)
    raise ValueError("not today")

@handler("async_quits")
async def async_quits(event: Event) -> None:
    sys.exit(1)

@handler("async_waits", time_limit=0.2)
async def async_waits(event: Event) -> None:
    await asyncio.sleep(60)

@handler("async_cancels")
async def async_cancels(event: Event) -> None:
    raise asyncio.CancelledError

@handler("async_own_timeout")
async def async_own_timeout(event: Event) -> None:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(60)

@handler("wrapped")
def wrapped(event: Event):
    return async_fails(event)
"""

Run = Callable[..., list[Outcome]]


@pytest.fixture
def runtime(sqlite_rig: Rig) -> Iterator[Runtime]:
    """An open runtime with its event loop and limits, and no worker."""
    sqlite_rig.handlers(HANDLERS)
    loop = EventLoopThread(logging.getLogger("tests"))
    loop.start(timeout=10)
    set_event_loop_thread(loop)
    with sqlite_rig.runtime() as opened:
        opened.limits.start()
        yield opened
        opened.limits.stop()
    loop.stop()  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated
    loop.join()
    set_event_loop_thread(None)


@pytest.fixture
def run(runtime: Runtime) -> Run:
    def process(destination: str, *bodies: bytes) -> list[Outcome]:
        batch = Unrecorded([claimed(destination, body=body) for body in bodies or (b"{}",)])
        process_batch(runtime, batch)
        return batch.outcomes(UNFINISHED)

    return process


def one(outcomes: list[Outcome]) -> AttemptResult:
    (outcome,) = outcomes
    return outcome.result


@pytest.mark.parametrize("name", ["fine", "async_fine"])
def test_returning_is_success(run: Run, name: str) -> None:
    assert one(run(name)).outcome is SUCCEEDED


@pytest.mark.parametrize("name", ["fails", "async_fails", "wrapped"])
def test_an_exception_is_tried_again_and_says_where_it_came_from(run: Run, name: str) -> None:
    result = one(run(name))

    assert (result.outcome, result.code) == (RETRYABLE, "handler_error")
    assert result.message.startswith("ValueError: no")


def test_a_message_can_be_stored_whatever_it_holds(run: Run) -> None:
    message = one(run("fails")).message

    assert len(message) <= 2_000
    assert "\x00" not in message
    message.encode()


def test_permanent_is_final(run: Run) -> None:
    result = one(run("refuses"))

    assert (result.outcome, result.message) == (PERMANENT, "this is not ours")


@pytest.mark.parametrize("name", ["quits", "async_quits"])
def test_sys_exit_ends_the_attempt_and_not_the_worker(run: Run, name: str) -> None:
    assert one(run(name)).outcome is RETRYABLE
    assert one(run("async_fine")).outcome is SUCCEEDED, "the loop lives"


@pytest.mark.parametrize("name", ["loops", "async_waits"])
def test_a_handler_is_stopped_at_its_limit(run: Run, name: str) -> None:
    started = time.monotonic()

    result = one(run(name, b"loop"))

    assert (result.outcome, result.code) == (TIMED_OUT, "timeout")
    assert time.monotonic() - started < 3


def test_a_call_that_cannot_be_interrupted_is_a_timeout_when_it_returns(run: Run) -> None:
    assert one(run("blocks")).outcome is TIMED_OUT


def test_a_limit_is_each_deliverys_own(run: Run) -> None:
    outcomes = run("loops", b"{}", b"loop", b"{}")

    assert [each.result.outcome for each in outcomes] == [SUCCEEDED, TIMED_OUT, SUCCEEDED]


@pytest.mark.parametrize("name", ["own_timeout", "async_own_timeout", "async_cancels"])
def test_a_handlers_own_timeout_is_an_error_like_any_other(run: Run, name: str) -> None:
    assert one(run(name)).outcome is RETRYABLE


def test_async_handlers_of_a_batch_run_together(run: Run) -> None:
    started = time.monotonic()

    outcomes = run("async_fine", *[b"{}"] * 20)

    assert [each.result.outcome for each in outcomes] == [SUCCEEDED] * 20
    assert time.monotonic() - started < 20 * 0.3 / 2


def test_a_handler_that_is_gone_is_tried_again(run: Run) -> None:
    assert one(run("gone")).code == "unknown_handler"


def test_a_batch_stops_between_two_deliveries_when_the_process_stops(runtime: Runtime) -> None:
    batch = Unrecorded([claimed("fine"), claimed("fine")])
    runtime.stopping.set()

    process_batch(runtime, batch)

    assert batch.outcomes(UNFINISHED) == []
    assert len(batch.untouched()) == 2
