"""Jobs by the console: made once, looked at, waited for, cancelled, paused."""

import asyncio
import itertools
import json
from typing import Any

import httpx
import pytest

from ingest.jobs.states import JobOutcome, JobResult, JobState, Progress, Told
from ingest.jobs.workflow import chain
from ingest.store import job_claims, jobs
from tests.console.rig import Console
from tests.store import job_making, making

pytestmark = pytest.mark.anyio

NOBODY = "0191b2c0-0000-7000-8000-000000000001"
RESIZE = {"kind": "resize", "args": ["cat.png"], "kwargs": {"width": 160}}


async def test_a_job_is_made_and_kept_before_the_answer(console: Console) -> None:
    """Though no broker is there: the scheduler publishes it later."""
    answer = await console.post("jobs", RESIZE)

    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    assert answer.json() == {"job_id": job_id, "status": "pending"}
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"
    row = job_making.row(console.database, job_id)
    assert (row.kind, row.queue, row.state) == ("resize", "images", JobState.PENDING)
    assert row.wake_at is not None
    shown = await console.get(f"jobs/{job_id}")
    assert shown["arguments"] == {"args": ["cat.png"], "kwargs": {"width": 160}}
    assert (shown["status"], shown["result"], shown["error"]) == ("pending", None, None)


async def test_the_same_idempotency_key_makes_one_job(console: Console) -> None:
    """A client that heard no answer asks again, also after the job has ended."""
    key = {"idempotency-key": "order-17"}
    first = await console.post("jobs", RESIZE, key)
    worker = making.a_worker(console.database)
    job_making.end(console.database, worker, first.json()["job_id"])

    again = await console.post("jobs", RESIZE, key)

    assert again.status_code == 202
    assert again.json() == {"job_id": first.json()["job_id"], "status": "success"}
    assert again.headers["location"] == first.headers["location"]
    assert len(jobs.list_jobs(console.database)) == 1


async def test_a_key_that_stands_for_other_arguments_is_a_conflict(console: Console) -> None:
    key = {"idempotency-key": "order-17"}
    await console.post("jobs", RESIZE, key)

    other = {"json": {**RESIZE, "args": ["dog.png"]}, "headers": key}

    assert await console.fault("POST", "jobs", **other) == (409, "conflict", None)
    assert len(jobs.list_jobs(console.database)) == 1


async def test_without_a_key_every_request_makes_a_job(console: Console) -> None:
    made = {(await console.post("jobs", RESIZE)).json()["job_id"] for _ in range(2)}

    assert {row.id for row in jobs.list_jobs(console.database)} == made
    assert len(made) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": ""}, "kind"),
        ({"kind": 5}, "kind"),
        ({"kind": "rezise"}, "kind"),
        ({"kind": "deploy"}, "kind"),
        ({"kind": "resize\0"}, "kind"),
        ({"kind": "resize"}, "args"),
        ({"kind": "resize", "args": "cat.png"}, "args"),
        ({"kind": "resize", "args": ["a", "b"]}, "args"),
        ({"kind": "resize", "args": ["a"], "kwargs": {"hight": 1}}, "args"),
        ({"kind": "resize", "args": ["a"], "kwargs": [1]}, "kwargs"),
        ({"kind": "resize", "args": ["x" * 65_536]}, "args"),
        ({"kind": "resize", "args": ["a"], "queue": "fast"}, "queue"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_job_that_cannot_run_is_refused_and_nothing_is_queued(
    console: Console, body: dict[str, Any], field: str
) -> None:
    assert await console.fault("POST", "jobs", json=body) == (422, "invalid", field)
    assert jobs.list_jobs(console.database) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("export", "POST /api/v1/exports makes it"),
        ("bulk_replay", "POST /api/v1/replays makes it"),
        ("export_chunk", "an export makes it"),
        ("retention", "a schedule makes it"),
    ],
)
async def test_a_job_that_we_bring_is_asked_for_where_its_words_are_checked(
    console: Console, kind: str, said: str
) -> None:
    answer = await console.post("jobs", {"kind": kind})

    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "kind"
    assert said in answer.json()["error"]["message"]
    assert jobs.list_jobs(console.database) == []


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "caf\xe9"])
async def test_a_key_that_cannot_be_one_is_refused(console: Console, key: str) -> None:
    headers = {"idempotency-key": key.encode("latin-1")}
    fault = await console.fault("POST", "jobs", json=RESIZE, headers=headers)

    assert fault == (422, "invalid", "idempotency_key")
    assert jobs.list_jobs(console.database) == []


async def test_jobs_are_filtered_and_paged(console: Console) -> None:
    made = [job_making.made_one(console.database, kind) for kind in ("a", "b") for _ in range(3)]
    jobs.cancel(console.database, made[0])
    workflow = job_making.made(
        console.database, chain(job_making.call("c"), job_making.call("d"))
    ).ids

    async def ids(**filters: object) -> list[str]:
        return [item["job_id"] for item in (await console.get("jobs", **filters))["items"]]

    assert await ids() == [*workflow[::-1], *made[::-1]]
    assert await ids(kind="a") == made[2::-1]
    assert await ids(status="revoked") == [made[0]]
    assert await ids(workflow_id=workflow[0]) == workflow[::-1]
    first = await console.get("jobs", kind="b", limit=2)
    rest = await console.get("jobs", kind="b", limit=2, after=first["next"])
    joined = [item["job_id"] for page in (first, rest) for item in page["items"]]
    assert joined == made[:2:-1]
    assert rest["next"] is None


async def test_the_largest_page_knows_whether_there_is_another(console: Console) -> None:
    for _ in range(201):
        job_making.made_one(console.database)

    page = await console.get("jobs", limit=200)

    assert len(page["items"]) == 200
    rest = await console.get("jobs", limit=200, after=page["next"])
    assert len(rest["items"]) == 1


async def test_progress_result_and_error_are_told(console: Console) -> None:
    worker = making.a_worker(console.database)
    good, bad, large = (job_making.made_one(console.database) for _ in range(3))
    (claim,) = job_making.held(console.database, worker, good)
    told = Told(good, claim.starts, Progress("resizing", 3, 10, "the third cat"))
    job_claims.save_progress(console.database, worker, [told])

    shown = await console.get(f"jobs/{good}")
    assert shown["status"] == "progress"
    assert shown["progress"] == {
        "step": "resizing",
        "done": 3,
        "total": 10,
        "message": "the third cat",
    }

    job_claims.record(console.database, worker, [job_making.ended(claim)], {})
    job_making.end(console.database, worker, bad, JobState.FAILURE, job_making.FAILED)
    elsewhere = JobResult(JobOutcome.SUCCEEDED, reference="s3://bucket/cats.parquet")
    job_making.end(console.database, worker, large, result=elsewhere)

    shown = await console.get(f"jobs/{good}")
    assert (shown["status"], shown["result"], shown["attempts"]) == ("success", {"rows": 3}, 1)
    failed = await console.get(f"jobs/{bad}")
    assert failed["error"] == {"code": "job_error", "message": "ConnectionError: refused"}
    assert failed["finished_at"] is not None
    referring = await console.get(f"jobs/{large}")
    assert (referring["result"], referring["result_ref"]) == (None, "s3://bucket/cats.parquet")


@pytest.mark.parametrize("job_id", [NOBODY, NOBODY[:8], "x", "%00"])
@pytest.mark.parametrize(
    ("method", "ending"),
    [
        ("GET", ""),
        ("GET", "?wait=30"),
        ("GET", "/stream"),
        ("POST", "/cancel"),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ],
)
async def test_an_unknown_job_is_not_found(
    console: Console, job_id: str, method: str, ending: str
) -> None:
    assert await console.fault(method, f"jobs/{job_id}{ending}") == (404, "not_found", None)


async def test_a_waiting_job_is_cancelled_at_once_and_an_ended_one_stays(
    console: Console,
) -> None:
    worker = making.a_worker(console.database)
    waiting, running, done = (job_making.made_one(console.database) for _ in range(3))
    job_making.end(console.database, worker, done)
    job_making.held(console.database, worker, running)

    shown = [(await console.post(f"jobs/{id_}/cancel")).json() for id_ in (waiting, running, done)]

    assert [one["status"] for one in shown] == ["revoked", "started", "success"]
    assert shown[0]["error"]["code"] == "cancelled"
    assert shown[1]["cancel_requested_at"] is not None
    assert job_making.row(console.database, running).cancel_requested_at is not None


async def test_a_paused_job_rests_until_it_is_resumed(console: Console) -> None:
    job_id = job_making.made_one(console.database)
    worker = making.a_worker(console.database)

    paused = (await console.post(f"jobs/{job_id}/pause")).json()

    assert (paused["status"], paused["wake_at"]) == ("pending", None)
    assert paused["paused_at"] is not None
    assert job_claims.claim(console.database, worker, [job_id], {}) == []

    resumed = (await console.post(f"jobs/{job_id}/resume")).json()

    assert resumed["paused_at"] is None
    job_making.held(console.database, worker, job_id)


# -- waiting -----------------------------------------------------------------------------------


async def asking(console: Console, path: str) -> asyncio.Task[httpx.Response]:
    """Ask in the background, and return once a later request has been answered."""
    task = asyncio.create_task(console.client.get(f"/api/v1/{path}", timeout=40))
    assert (await console.client.get("/readyz")).status_code == 200
    return task


async def test_a_long_poll_answers_as_soon_as_the_status_changes(console: Console) -> None:
    job_id = job_making.made_one(console.database)

    asked = await asking(console, f"jobs/{job_id}?wait=30&seen=pending")
    assert not asked.done()
    job_making.held(console.database, making.a_worker(console.database), job_id)

    answer = await asyncio.wait_for(asked, 10)
    assert answer.json()["status"] == "started"


async def test_a_long_poll_ends_with_its_time(console: Console) -> None:
    job_id = job_making.made_one(console.database)

    answer = await asyncio.wait_for(await asking(console, f"jobs/{job_id}?wait=1"), 10)

    assert (answer.status_code, answer.json()["status"]) == (200, "pending")


@pytest.mark.parametrize("seen", ["", "&seen=revoked", "&seen=pending"])
async def test_a_job_that_has_ended_is_not_waited_for(console: Console, seen: str) -> None:
    job_id = job_making.made_one(console.database)
    jobs.cancel(console.database, job_id)

    answer = await asyncio.wait_for(await asking(console, f"jobs/{job_id}?wait=60{seen}"), 10)

    assert answer.json()["status"] == "revoked"


@pytest.mark.parametrize("query", ["wait=61", "wait=-1", "wait=soon", "seen=lost"])
async def test_a_wait_that_cannot_be_is_refused(console: Console, query: str) -> None:
    job_id = job_making.made_one(console.database)
    fault = await console.fault("GET", f"jobs/{job_id}?{query}")
    assert fault == (422, "invalid", query.partition("=")[0])


async def test_more_requests_may_wait_than_there_are_threads(console: Console) -> None:
    job_id = job_making.made_one(console.database)
    asked = [await asking(console, f"jobs/{job_id}?wait=30&seen=pending") for _ in range(40)]

    assert (await asyncio.wait_for(console.get("events"), 10))["items"] == []
    jobs.cancel(console.database, job_id)

    answers = await asyncio.wait_for(asyncio.gather(*asked), 20)
    assert {answer.json()["status"] for answer in answers} == {"revoked"}


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    """What the events of a stream say."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event for event in answer.text.split("\n\n") if event.startswith("event: job\n")]
    return [json.loads(event.partition("data: ")[2]) for event in events]


async def test_a_stream_tells_every_change_and_ends_with_the_job(console: Console) -> None:
    job_id = job_making.made_one(console.database)
    worker = making.a_worker(console.database)
    asked = await asking(console, f"jobs/{job_id}/stream")

    (claim,) = job_making.held(console.database, worker, job_id)
    for done in (1, 2):
        progress = Progress("resizing", done, 2, None)
        job_claims.save_progress(console.database, worker, [Told(job_id, claim.starts, progress)])
    job_claims.record(console.database, worker, [job_making.ended(claim)], {})

    said = told(await asyncio.wait_for(asked, 10))
    assert said[-1]["status"] == "success"
    assert said[-1]["result"] == {"rows": 3}
    assert said[-1]["progress"]["done"] == 2
    for one, following in itertools.pairwise(said):
        assert one != following


async def test_the_stream_of_an_ended_job_is_its_end(console: Console) -> None:
    job_id = job_making.made_one(console.database)
    jobs.cancel(console.database, job_id)

    answer = await asyncio.wait_for(await asking(console, f"jobs/{job_id}/stream"), 10)

    assert [one["status"] for one in told(answer)] == ["revoked"]


async def test_the_stream_of_a_job_that_is_deleted_ends(console: Console) -> None:
    job_id = job_making.made_one(console.database)
    asked = await asking(console, f"jobs/{job_id}/stream")
    making.execute(console.database, "DELETE FROM jobs WHERE id = :id", id=job_id)

    answer = await asyncio.wait_for(asked, 10)

    assert answer.status_code in {200, 404}
