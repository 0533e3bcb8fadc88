"""HTTP deliveries of one batch: how many at a time, and what is left when the process stops."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest
import uvloop
from dramatiq import Worker
from dramatiq.asyncio import get_event_loop_thread

from actors import compose
from actors.batch import UNFINISHED
from actors.deliver import deliver_batch
from actors.middleware.loop import Loop
from actors.runtime import REQUESTS_A_THREAD, Runtime
from ingest.events import AttemptOutcome, Claimed, DestinationKind
from tests.actors.making import Unrecorded, claimed
from tests.actors.rig import Rig
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until


@pytest.fixture
def runtime(sqlite_rig: Rig, sink: Sink) -> Iterator[Runtime]:
    """A runtime with an event loop, and the sink as two destinations."""
    where = f'url = "{sink.url("/in")}"\nallow = ["127.0.0.0/8"]\n'
    sqlite_rig.config(
        f'[destinations.billing]\n{where}[destinations.impatient]\n{where}timeout = "600ms"\n'
    )
    with sqlite_rig.runtime() as opened:
        broker = compose(sqlite_rig.settings())
        worker = Worker(broker, worker_threads=1)  # never started: the loop wants to know it
        loop = Loop(opened)
        loop.before_worker_boot(broker, worker)
        opened.limits.start()
        yield opened
        opened.limits.stop()
        loop.after_worker_shutdown(broker, worker)


def deliveries(count: int, destination: str = "billing") -> list[Claimed]:
    return [
        replace(claimed(destination), kind=DestinationKind.HTTP, queue="deliver")
        for _ in range(count)
    ]


def test_a_destination_gets_a_part_of_a_batch_at_a_time(runtime: Runtime, sink: Sink) -> None:
    """A thread claims more than a small service should find at its door at once."""
    sink.script("/in", Answer(hang=True))
    batch = Unrecorded(deliveries(REQUESTS_A_THREAD + 5))
    thread = Thread(target=deliver_batch, args=(runtime, batch))
    thread.start()
    sink.wait_for(REQUESTS_A_THREAD)

    assert len(batch.untouched()) == 5
    sink.release()
    thread.join()
    assert len(sink.requests()) == REQUESTS_A_THREAD + 5
    results = [outcome.result.outcome for outcome in batch.outcomes(UNFINISHED)]
    assert results == [AttemptOutcome.SUCCEEDED] * (REQUESTS_A_THREAD + 5)


def test_a_slow_request_holds_up_no_other(runtime: Runtime, sink: Sink) -> None:
    """The next one goes out when any is answered, not when all are."""
    sink.script("/in", Answer(hang=True), Answer())
    batch = Unrecorded(deliveries(3 * REQUESTS_A_THREAD))
    thread = Thread(target=deliver_batch, args=(runtime, batch))
    thread.start()

    wait_until(
        lambda: len(sink.requests()) == 3 * REQUESTS_A_THREAD, describe="every other request"
    )
    assert thread.is_alive()
    sink.release()
    thread.join()
    assert batch.untouched() == []


def test_a_batch_may_take_as_long_as_its_requests_one_after_the_other(
    runtime: Runtime, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread's own limit is for a loop that does not keep theirs."""
    monkeypatch.setattr("actors.deliver.REQUESTS_A_THREAD", 1)
    monkeypatch.setattr("actors.together.HARD_GRACE_SECONDS", 0.5)
    sink.script("/in", Answer(hang=True))
    batch = Unrecorded(deliveries(3, "impatient"))

    deliver_batch(runtime, batch)

    results = [outcome.result.outcome for outcome in batch.outcomes(UNFINISHED)]
    assert results == [AttemptOutcome.TIMED_OUT] * 3


def test_a_process_that_stops_begins_no_other_request(runtime: Runtime, sink: Sink) -> None:
    sink.script("/in", Answer(hang=True))
    batch = Unrecorded(deliveries(REQUESTS_A_THREAD + 5))
    thread = Thread(target=deliver_batch, args=(runtime, batch))
    thread.start()
    sink.wait_for(REQUESTS_A_THREAD)

    runtime.stopping.set()
    sink.release()
    thread.join()

    assert len(sink.requests()) == REQUESTS_A_THREAD
    assert len(batch.outcomes(UNFINISHED)) == REQUESTS_A_THREAD
    assert len(batch.untouched()) == 5


def test_connections_are_kept_between_batches(runtime: Runtime, sink: Sink) -> None:
    for _ in range(3):
        deliver_batch(runtime, Unrecorded(deliveries(1)))

    assert len(sink.requests()) == 3
    assert sink.connections == 1


def test_the_loop_is_uvloops(runtime: Runtime) -> None:
    thread = get_event_loop_thread()

    assert runtime.threads
    assert thread is not None
    assert isinstance(thread.loop, uvloop.Loop)
    assert thread.daemon
