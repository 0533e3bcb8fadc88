"""Exports by the console: checked in full before anything is queued, and made once."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.store import jobs
from tests.console.rig import CONFIG, Console, answering, settings_in
from tests.store import job_making, making

pytestmark = pytest.mark.anyio

PLACES = '\n[exports]\nto = ["archive", "s3://bucket/hookkeeper"]\n'


@pytest.fixture(autouse=True)
def stored(request: pytest.FixtureRequest) -> None:
    """There is a source to name."""
    if "console" in request.fixturenames:
        making.stored(request.getfixturevalue("database"), source="open")


def arguments(console: Console, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(job_making.row(console.database, job_id).arguments)
    return found


async def test_an_export_is_made_as_a_job(console: Console) -> None:
    words = {
        "dataset": "deliveries",
        "format": "jsonl",
        "source": "open",
        "types": ["push"],
        "state": "dead",
        "destination": "billing",
        "since": "7d",
        "until": "1h",
    }
    answer = await console.post("exports", words)

    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    assert answer.json() == {"job_id": job_id, "status": "pending"}
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"
    row = job_making.row(console.database, job_id)
    assert (row.kind, row.queue) == ("export", "jobs")
    beside = str(console.settings.data.resolve() / "exports")
    assert arguments(console, job_id) == {"args": [beside], "kwargs": words}


async def test_nothing_has_to_be_said(console: Console) -> None:
    answer = await console.post("exports")
    assert answer.status_code == 202
    assert arguments(console, answer.json()["job_id"])["kwargs"] == {}
    assert (await console.post("exports", {"since": "last"})).status_code == 202


async def test_the_same_key_makes_one_export(console: Console) -> None:
    key = {"idempotency-key": "nightly"}
    first, again = [await console.post("exports", {"since": "7d"}, key) for _ in range(2)]
    assert first.json() == again.json()
    other = {"json": {"since": "8d"}, "headers": key}
    assert await console.fault("POST", "exports", **other) == (409, "conflict", None)
    assert len(jobs.list_jobs(console.database)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dataset": "payloads"}, "dataset"),
        ({"format": "xml"}, "format"),
        ({"source": "opne"}, "source"),
        ({"types": ["*.opened"]}, "types"),
        ({"types": [""]}, "types.0"),
        ({"types": "push"}, "types"),
        ({"types": ["x" * 255] * 1_000}, "types"),
        ({"state": "dead"}, "state"),
        ({"destination": "billing"}, "destination"),
        ({"since": "yesterday"}, "since"),
        ({"since": "1h", "until": "2h"}, "since"),
        ({"until": "noon"}, "until"),
        ({"until": "last"}, "until"),
        ({"to": "/etc"}, "to"),
        ({"to": "data/exports/../.."}, "to"),
        ({"to": "s3://bucket/hookkeeper"}, "to"),
        ({"to": 5}, "to"),
        ({"too": "data/exports"}, "too"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_an_export_that_cannot_be_is_refused_and_nothing_is_queued(
    console: Console, body: dict[str, Any], field: str
) -> None:
    assert await console.fault("POST", "exports", json=body) == (422, "invalid", field)
    assert jobs.list_jobs(console.database) == []
    assert not (console.settings.data / "exports").exists()


async def test_a_directory_that_cannot_be_written_is_refused(console: Console) -> None:
    console.settings.data.mkdir(exist_ok=True)
    (console.settings.data / "exports").write_text("a file")
    assert await console.fault("POST", "exports", json={}) == (422, "invalid", "to")
    assert jobs.list_jobs(console.database) == []


async def test_the_file_says_where_exports_may_go(tmp_path: Path, sqlite_url: str) -> None:
    settings = settings_in(tmp_path, sqlite_url)
    (tmp_path / "hookkeeper.toml").write_text(CONFIG + PLACES)
    async with answering(settings) as client:

        async def ask(to: str | None) -> Any:
            body = {"to": to, "format": "csv"}
            return await client.post("/api/v1/exports", json=body)

        for to in (
            None,
            "archive",
            "archive/github",
            f"{tmp_path}/archive",
            "s3://bucket/hookkeeper/a",
        ):
            assert (await ask(to)).status_code == 202, to
        refused = await ask("data/exports")
        assert refused.status_code == 422
        said = refused.json()["error"]
        assert said["field"] == "to"
        assert f"{tmp_path}/archive, s3://bucket/hookkeeper" in said["message"]
        secret = await ask("s3://AKIA:hunter2@bucket/hookkeeper")
        assert secret.status_code == 422
        assert "hunter2" not in secret.text
