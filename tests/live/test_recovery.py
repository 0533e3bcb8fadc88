"""How fast killed work runs again, and how poison and hanging destinations are kept apart."""

import os
import signal
import time
import uuid

import pytest

from ingest.events import DeliveryState
from ingest.store import queries
from tests.pipeline import Pipeline
from tests.services.sink import Answer
from tests.waiting import wait_until

pytestmark = pytest.mark.live


def state_of(pipeline: Pipeline, event_id: str, destination: str) -> str:
    with pipeline.database() as database:
        rows = queries.list_deliveries(database, event_id=event_id)
    return next((row.state for row in rows if row.destination == destination), "")


def test_work_of_a_killed_worker_starts_again_within_15_seconds(pipeline: Pipeline) -> None:
    event_id = pipeline.post("slow", b"").id
    wait_until(lambda: event_id in pipeline.noted_ids("slow_started"))
    worker = dict(pipeline.noted("slow_started"))[event_id]

    os.kill(worker, signal.SIGKILL)
    killed_at = time.monotonic()

    def started_again() -> bool:
        return [seen for seen, _ in pipeline.noted("slow_started")].count(event_id) == 2

    try:
        wait_until(started_again, timeout=30, describe="a second start")
        assert time.monotonic() - killed_at <= 15
    finally:
        (pipeline.folder / "release").touch()
    wait_until(lambda: state_of(pipeline, event_id, "slow") == DeliveryState.SUCCEEDED, timeout=20)


def test_poison_in_a_batch_of_20_is_quarantined_alone(pipeline: Pipeline) -> None:
    pipeline.cli("destinations", "pause", "poison")
    harmless = [pipeline.post("poison", str(uuid.uuid4()).encode()).id for _ in range(19)]
    poison = pipeline.post("poison", b"poison").id
    everyone = {*harmless, poison}
    wait_until(
        lambda: {state_of(pipeline, one, "poison") for one in everyone} == {DeliveryState.WAITING}
    )

    pipeline.cli("destinations", "resume", "poison")

    wait_until(
        lambda: state_of(pipeline, poison, "poison") == DeliveryState.QUARANTINED,
        timeout=90,
        describe="the poison in quarantine",
    )
    wait_until(
        lambda: (
            {state_of(pipeline, one, "poison") for one in harmless} == {DeliveryState.SUCCEEDED}
        ),
        timeout=60,
        describe="its 19 neighbours",
    )
    starts = [event_id for event_id, _ in pipeline.noted("poison_started")]
    assert starts.count(poison) == 3
    body = uuid.uuid4().bytes
    other = pipeline.github(b'{"n": "' + body.hex().encode() + b'"}').id
    wait_until(lambda: other in pipeline.noted_ids("handled"), describe="other actors run on")


def test_a_hanging_destination_does_not_slow_another(pipeline: Pipeline) -> None:
    pipeline.sink.script("/hanging", Answer(hang=True))
    try:
        for _ in range(60):
            body = f'{{"zen": "hang", "n": "{uuid.uuid4()}"}}'.encode()
            assert pipeline.github(body).status == 202
        wait_until(lambda: pipeline.sink.requests("/hanging"), describe="the first to hang")

        answered_at = time.monotonic()
        event_id = pipeline.github(f'{{"n": "{uuid.uuid4()}"}}'.encode(), event="push").id
        wait_until(
            lambda: any(
                request.header("webhook-id") == event_id
                for request in pipeline.sink.requests("/sink")
            )
        )
        wait_until(lambda: event_id in pipeline.noted_ids("handled"), describe="the handler")
        assert time.monotonic() - answered_at < 5
    finally:
        pipeline.sink.release()
