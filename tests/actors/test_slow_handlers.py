"""Handlers that take long, or do not stop: what it means for their neighbours and their outcome."""

from collections.abc import Sequence

import pytest
from sqlalchemy import update

from actors.middleware import claims
from actors.middleware.holding import Holding
from actors.publishing import wake_deliveries
from ingest.events import AttemptOutcome, DeliveryRef, DeliveryState
from ingest.queue import WakeBroker, publish_deliveries
from ingest.store import schema
from ingest.store.delivery_rows import WAITING
from tests.actors.rig import Rig
from tests.waiting import wait_until

SUCCEEDED = DeliveryState.SUCCEEDED


def test_deliveries_of_a_slow_handler_do_not_wait_for_each_other(rig: Rig) -> None:
    """They came in one message, and other threads are idle."""
    rig.handlers("""
@on("github", name="slow", attempts=1, time_limit=10)
def slow(event: Event) -> None:
    note("begun", event)
    if event.body == b"first":
        time.sleep(1.1)
    else:
        while len((HERE / "begun").read_bytes().splitlines()) < 3:
            time.sleep(0.01)
""")
    event_ids = [rig.store(body=body) for body in (b"first", b"second", b"third")]

    with rig.worker(threads=8) as broker:  # of which one destination has two
        publish_deliveries(broker, rig.dispatch(*event_ids))
        for event_id in event_ids:
            rig.wait_for(event_id, SUCCEEDED)

    assert [rig.delivery(one).starts for one in event_ids] == [1, 1, 1]


def test_what_is_given_back_is_free_before_a_thread_is_woken_for_it(
    sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or that thread would find it held, drop the message, and nobody would come for seconds."""
    rig, made = sqlite_rig, list[Holding]()
    woken: list[str] = []
    held: list[str] = []

    class Seen(Holding):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    def wake(broker: WakeBroker, refs: Sequence[DeliveryRef]) -> None:
        ids = [ref.id for ref in refs]
        woken.extend(ids)
        held.extend(id_ for id_ in ids if any(id_ in one._ids for one in made))
        wake_deliveries(broker, refs)

    monkeypatch.setattr(claims, "Holding", Seen)
    monkeypatch.setattr(claims, "wake_deliveries", wake)
    rig.handlers("""
@on("github", name="slow", attempts=1)
def slow(event: Event) -> None:
    time.sleep(1.1 if event.body == b"first" else 0)
""")
    event_ids = [rig.store(body=body) for body in (b"first", b"second", b"third")]
    with rig.worker(threads=8) as broker:
        publish_deliveries(broker, rig.dispatch(*event_ids))
        for event_id in event_ids:
            rig.wait_for(event_id, SUCCEEDED)
    assert len(woken) == 2
    assert held == []


def test_a_coroutine_that_will_not_be_cancelled_is_a_timeout(
    sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = sqlite_rig
    monkeypatch.setattr("actors.together.HARD_GRACE_SECONDS", 0.2)
    rig.handlers("""
@on("github", name="stubborn", attempts=1, time_limit=0.2)
async def stubborn(event: Event) -> None:
    while not (HERE / "release").exists():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            note("cancelled", event)
""")
    event_id = rig.store()

    with rig.worker() as broker:
        publish_deliveries(broker, rig.dispatch(event_id))
        rig.wait_for(event_id, DeliveryState.DEAD)
        (rig.folder / "release").touch()

    (attempt,) = rig.attempts(event_id)
    assert attempt.outcome == AttemptOutcome.TIMED_OUT
    assert "time limit" in (attempt.message or "")


def test_an_outcome_does_not_wait_for_a_slow_neighbour(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both run together on the event loop; a crash now would repeat the slow one only."""
    monkeypatch.setattr("actors.together.RECORD_SECONDS", 0.05)
    rig.handlers("""
@on("github", name="together")
async def together(event: Event) -> None:
    while event.body == b"slow" and not (HERE / "release").exists():
        await asyncio.sleep(0.01)
""")
    slow, quick = rig.store(body=b"slow"), rig.store(body=b"quick")

    with rig.worker() as broker:
        publish_deliveries(broker, rig.dispatch(slow, quick))
        rig.wait_for(quick, SUCCEEDED)
        assert rig.state(slow) == DeliveryState.RUNNING
        (rig.folder / "release").touch()
        rig.wait_for(slow, SUCCEEDED)

    assert [len(rig.attempts(one)) for one in (slow, quick)] == [1, 1]


def test_a_failure_is_tried_again_while_its_neighbour_still_runs(
    sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was recorded on the way, so the process that holds the batch may take it once more."""
    rig = sqlite_rig
    monkeypatch.setattr("actors.together.RECORD_SECONDS", 0.05)
    rig.handlers("""
@on("github", name="together")
async def together(event: Event) -> None:
    if event.body == b"slow":
        while not (HERE / "release").exists():
            await asyncio.sleep(0.01)
    elif not (HERE / "failed").exists():
        note("failed", event)
        raise ConnectionError("not yet")
""")
    slow, failing = rig.store(body=b"slow"), rig.store(body=b"failing")

    with rig.worker(threads=8) as broker:  # of which one destination has two
        refs = rig.dispatch(slow, failing)
        publish_deliveries(broker, refs)
        wait_until(lambda: rig.attempts(failing), describe="its first attempt on record")
        with rig.database.write() as tx:
            tx.execute(update(schema.deliveries).values(due_at=0).where(WAITING))
        publish_deliveries(broker, refs)
        rig.wait_for(failing, SUCCEEDED)
        assert rig.state(slow) == DeliveryState.RUNNING
        (rig.folder / "release").touch()
        rig.wait_for(slow, SUCCEEDED)
