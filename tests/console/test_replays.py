"""Bulk replays by the console: counted, checked in full before anything is queued, made once."""

from typing import Any

import orjson
import pytest

from ingest.store import dispatch, jobs
from tests.console.rig import Console
from tests.console.test_deliveries import dead
from tests.store import job_making, making

pytestmark = pytest.mark.anyio

OLD = making.now_ms() - making.DAY_MS
BILLING = {"destination": "billing", "kind": "http", "queue": "deliver", "digest_ms": 0}


def old_events(console: Console, count: int, **changes: Any) -> None:
    """Events of yesterday that nobody wanted."""
    events = making.stored(console.database, count, received_at=OLD, source="open", **changes)
    dispatch.dispatch(console.database, [(event, ()) for event in events])


def total(console: Console, job_id: str) -> int:
    query = "SELECT total FROM bulk_replays WHERE job_id = :id"
    return int(making.one(console.database, query, id=job_id))


async def test_a_replay_is_counted_and_nothing_is_changed(console: Console) -> None:
    old_events(console, 3, type="push")
    old_events(console, 2, type="issues")

    answer = await console.post("replays/preview", {"types": ["push"], "since": "2d"})

    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["matching"] == 3
    assert shown["since"] < OLD < shown["until"] <= making.now_ms() - 59_000
    assert jobs.list_jobs(console.database) == []


async def test_a_replay_is_made_as_a_job_that_knows_what_was_counted(console: Console) -> None:
    old_events(console, 3)
    words = {"source": "open", "types": ["push"], "since": "2d", "rate": 5}

    answer = await console.post("replays", words)

    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    assert answer.json() == {"job_id": job_id, "status": "pending"}
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"
    row = job_making.row(console.database, job_id)
    assert (row.kind, row.queue) == ("bulk_replay", "jobs")
    assert orjson.loads(row.arguments) == {"args": [], "kwargs": words}
    assert total(console, job_id) == 3


async def test_a_replay_may_have_one_destination_or_handler(console: Console) -> None:
    for to, target in (
        ("billing", BILLING),
        ("deploy", {**BILLING, "destination": "deploy", "kind": "python", "queue": "process"}),
    ):
        job_id = (await console.post("replays", {"to": to})).json()["job_id"]
        kwargs = orjson.loads(job_making.row(console.database, job_id).arguments)["kwargs"]
        assert kwargs == {"target": target}


async def test_the_same_key_makes_one_replay(console: Console) -> None:
    """Though there is more to replay by then, or less."""
    key = {"idempotency-key": "after-the-outage"}
    old_events(console, 1)
    first = await console.post("replays", {"since": "2d"}, key)
    old_events(console, 1)
    again = await console.post("replays", {"since": "2d"}, key)

    assert first.json() == again.json()
    assert total(console, first.json()["job_id"]) == 1
    other = {"json": {"since": "3d"}, "headers": key}
    assert await console.fault("POST", "replays", **other) == (409, "conflict", None)
    assert len(jobs.list_jobs(console.database)) == 1


@pytest.mark.parametrize("path", ["replays", "replays/preview"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dataset": "payloads"}, "dataset"),
        ({"source": "opne"}, "source"),
        ({"types": ["*.opened"]}, "types"),
        ({"types": [f"t{number}" for number in range(101)]}, "types"),
        ({"types": ["a\0"]}, "types"),
        ({"state": "dead"}, "state"),
        ({"dataset": "deliveries", "state": "waiting"}, "state"),
        ({"destination": "billing"}, "destination"),
        ({"dataset": "deliveries", "destination": "biling"}, "destination"),
        ({"since": "yesterday"}, "since"),
        ({"since": "1h", "until": "2h"}, "since"),
        ({"until": "noon"}, "until"),
        ({"to": "biling"}, "to"),
        ({"to": ""}, "to"),
        ({"rate": 0}, "rate"),
        ({"rate": -3}, "rate"),
        ({"rate": 1e300}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"speed": 5}, "speed"),
    ],
    ids=str,
)
async def test_a_replay_that_cannot_be_is_refused_and_nothing_is_queued(
    console: Console, path: str, body: dict[str, Any], field: str
) -> None:
    old_events(console, 1)
    assert await console.fault("POST", path, json=body) == (422, "invalid", field)
    assert jobs.list_jobs(console.database) == []


async def test_every_filter_that_is_not_refused_is_counted(console: Console) -> None:
    """As many types as there may be, and a last character that has no next one."""
    old_events(console, 3, type="push")
    for types, matching in ((["\U0010ffff*"], 0), (["push", *(f"t{n}*" for n in range(99))], 3)):
        answer = await console.post("replays/preview", {"types": types})
        assert answer.status_code == 200, answer.text
        assert answer.json()["matching"] == matching


# -- one event, one delivery -------------------------------------------------------------------


async def test_the_same_key_replays_an_event_once(console: Console) -> None:
    (event,) = making.stored(console.database)
    key = {"idempotency-key": "k"}
    first, again = [await console.post(f"events/{event.id}/replay", headers=key) for _ in range(2)]
    assert first.json() == again.json() == {"event_id": event.id, "generation": 1}
    assert (await console.get(f"events/{event.id}"))["generation"] == 1
    assert (await console.post(f"events/{event.id}/replay")).json()["generation"] == 2


async def test_the_same_key_replays_a_delivery_once(console: Console) -> None:
    old = dead(console)
    key = {"idempotency-key": "k"}
    first, again = [await console.post(f"deliveries/{old}/replay", headers=key) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]


async def test_a_key_of_another_replay_is_a_conflict(console: Console) -> None:
    first, second = making.stored(console.database, 2)
    key = {"idempotency-key": "k"}
    await console.post(f"events/{first.id}/replay", headers=key)
    path = f"events/{second.id}/replay"
    assert await console.fault("POST", path, headers=key) == (409, "conflict", None)
    assert (await console.get(f"events/{second.id}"))["generation"] == 0
