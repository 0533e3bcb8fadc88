"""Time limits in threads, bulkheads between destinations, and the watch over the process."""

import threading
import time

import pytest
from dramatiq import Worker
from dramatiq.middleware.time_limit import TimeLimitExceeded
from dramatiq.worker import WorkerThread

from actors.middleware import limits
from actors.middleware.bulkhead import PARKED_LIMIT, Bulkhead
from actors.middleware.limits import HARD_GRACE_SECONDS, Limits, WorkerStops
from actors.middleware.watch import Watch
from actors.runtime import Runtime
from ingest.events import DeliveryRef, DeliveryState, DestinationKind
from ingest.queue import publish_deliveries
from tests.actors.rig import Rig
from tests.waiting import wait_until


def refs(*numbers: int, alone: bool = False) -> list[DeliveryRef]:
    return [
        DeliveryRef(f"id-{number}", "billing", DestinationKind.HTTP, "deliver", alone)
        for number in numbers
    ]


def spin() -> None:
    """Run some Python, in which an interrupt that is on its way would arrive."""
    assert sum(range(10_000)) > 0


# -- limits ---------------------------------------------------------------------------------


def test_a_thread_over_its_limit_is_interrupted() -> None:
    limits = Limits()

    def work() -> None:
        with limits.limit(5):
            limits.check(time.monotonic() + 6)
            spin()

    with pytest.raises(TimeLimitExceeded):
        work()


def test_after_disarming_no_interrupt_comes() -> None:
    """Else it would hit whatever comes next, such as the commit of the outcome."""
    limits = Limits()
    rounds = 0
    for _ in range(200):
        checker = threading.Thread(target=limits.check, args=(time.monotonic() + 6,))
        try:
            with limits.limit(5):
                checker.start()
        except TimeLimitExceeded:
            pass
        checker.join()
        spin()
        rounds += 1

    assert rounds == 200


def test_a_thread_that_cannot_be_interrupted_ends_the_process_at_last() -> None:
    ended: list[bool] = []
    limits = Limits(end=lambda: ended.append(True))
    go_on = threading.Event()

    def stuck() -> None:
        try:
            with limits.limit(5):
                go_on.wait()
        except TimeLimitExceeded:
            return

    thread = threading.Thread(target=stuck)
    thread.start()
    wait_until(lambda: limits._ends)
    now = time.monotonic()

    limits.check(now + 6)
    assert ended == []
    limits.check(now + 6 + HARD_GRACE_SECONDS)

    assert ended == [True]
    go_on.set()
    thread.join()


# -- bulkhead -------------------------------------------------------------------------------


def test_a_destination_gets_a_quarter_of_the_threads() -> None:
    bulkhead = Bulkhead(threads=8, patience_seconds=0)

    entered = [bulkhead.enter("billing", refs(number)) for number in range(3)]

    assert entered == [True, True, False]
    assert bulkhead.enter("audit", refs(9)), "others are not concerned"


def test_a_destination_that_gets_on_is_waited_for_and_loses_nothing() -> None:
    """A backlog that is parked beyond the limit would be published twice."""
    bulkhead = Bulkhead(threads=4, patience_seconds=10)
    bulkhead.enter("billing", refs(1))
    entered: list[bool] = []
    waiting = threading.Thread(target=lambda: entered.append(bulkhead.enter("billing", refs(2))))
    waiting.start()

    assert bulkhead.leave("billing") == []
    waiting.join()

    assert entered == [True]


def test_even_a_single_thread_works() -> None:
    assert Bulkhead(threads=1, patience_seconds=0).enter("billing", refs(1))


@pytest.mark.parametrize(("threads", "held"), [(1, 1), (2, 1), (3, 2), (4, 2), (8, 2), (16, 4)])
def test_one_that_hangs_leaves_its_destination_another_thread_where_there_are_some(
    threads: int, held: int
) -> None:
    bulkhead = Bulkhead(threads=threads, patience_seconds=0)
    assert [bulkhead.enter("billing", refs(1)) for _ in range(held + 1)] == [True] * held + [False]


def test_what_was_parked_comes_back_in_order_by_the_message() -> None:
    bulkhead = Bulkhead(threads=8, patience_seconds=0)
    for _ in range(2):
        bulkhead.enter("billing", refs(0))
    for number in range(1, 131):
        assert not bulkhead.enter("billing", refs(number))

    first, rest = bulkhead.leave("billing"), bulkhead.leave("billing")

    assert [ref.id for ref in first] == [f"id-{number}" for number in range(1, 101)]
    assert [ref.id for ref in rest] == [f"id-{number}" for number in range(101, 131)]


def test_a_suspect_stays_alone_while_it_is_parked() -> None:
    bulkhead = Bulkhead(threads=1, patience_seconds=0)
    bulkhead.enter("billing", refs(0))
    bulkhead.enter("billing", refs(1, alone=True))

    assert [ref.alone for ref in bulkhead.leave("billing")] == [True]


def test_the_same_delivery_is_parked_once_and_memory_is_bounded() -> None:
    bulkhead = Bulkhead(threads=1, patience_seconds=0)
    bulkhead.enter("billing", refs(0))
    for _ in range(2):
        bulkhead.enter("billing", refs(*range(PARKED_LIMIT + 500)))

    assert len(bulkhead.leave("billing")) == PARKED_LIMIT


# -- watch ----------------------------------------------------------------------------------


def test_a_dead_worker_thread_makes_the_process_leave(sqlite_rig: Rig) -> None:
    """In order first, so that other work is recorded; at once if that takes too long."""
    left: list[str] = []
    with sqlite_rig.worker() as broker:
        other = Worker(broker, worker_threads=1)  # never started: its threads are ours to choose
        runtime = Runtime(sqlite_rig.settings())
        watch = Watch(runtime, lambda: left.append("leave"), lambda: left.append("end"))
        watch._worker, watch._loop_seen_at = other, time.monotonic()
        now = time.monotonic()
        watch.check(now)
        assert left == []

        other.workers.append(WorkerThread.__new__(WorkerThread))
        threading.Thread.__init__(other.workers[0])  # one that does not run
        watch.check(now)
        watch.check(now + 1)
        assert left == ["leave"]
        watch.check(now + 60)
        assert left == ["leave", "end"]


# -- a process that stops -------------------------------------------------------------------


ENDLESS = """
@on("github", name="sync", time_limit=120)
def endless(event: Event) -> None:
    note("started", event)
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass

@on("github", name="async", time_limit=120)
async def endless_too(event: Event) -> None:
    note("started", event)
    await asyncio.sleep(3_600)
"""


def test_what_does_not_end_is_interrupted_when_its_worker_stops(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again later. Cut off, it would be a crash, and after the third quarantined."""
    monkeypatch.setattr(limits, "LEAVE_SECONDS", 0.1)
    rig.handlers(ENDLESS)
    event_id = rig.store()
    with rig.worker() as broker:
        publish_deliveries(broker, rig.dispatch(event_id))
        wait_until(lambda: len(rig.notes("started")) == 2, describe="both to run")
    for row in rig.deliveries(event_id):
        assert (row.state, row.crashes, row.starts) == (DeliveryState.WAITING, 0, 1)
        assert row.last_code == "unfinished"
    assert rig.workers() == []


def test_what_ends_by_itself_is_not_interrupted() -> None:
    ours = Limits()
    ours.before_worker_shutdown(None, None)  # type: ignore[arg-type]  # it needs neither
    with ours.limit(60):
        ours.check(time.monotonic() + limits.LEAVE_SECONDS - 1)
        spin()
    ours.check(time.monotonic() + limits.LEAVE_SECONDS + 1)
    spin()


def test_each_piece_of_work_is_interrupted_once() -> None:
    """What it does about it, such as closing a connection, must not be interrupted again."""
    ours, late = Limits(), time.monotonic() + limits.LEAVE_SECONDS + 1
    ours.before_worker_shutdown(None, None)  # type: ignore[arg-type]  # it needs neither
    cleaned = []

    def work() -> None:
        with ours.limit(60):
            try:
                ours.check(late)
                spin()
            finally:
                ours.check(late)
                spin()
                cleaned.append("to the end")

    with pytest.raises(WorkerStops):
        work()
    assert cleaned
