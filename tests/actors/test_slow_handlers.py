"""Handlers that take long, or do not stop: what it means for their neighbours and their outcome."""

import pytest

from ingest.events import AttemptOutcome, DeliveryState
from ingest.queue import publish_deliveries
from tests.actors.rig import Rig

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


def test_a_coroutine_that_will_not_be_cancelled_is_a_timeout(
    sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = sqlite_rig
    monkeypatch.setattr("actors.process.HARD_GRACE_SECONDS", 0.2)
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
