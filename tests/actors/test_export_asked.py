"""An export that is asked for over the API: its id is the export, from the request to its end.

One chunk waits at a gate, so that there is something to see before the end.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors import export
from ingest.export.writing import write_chunk
from ingest.jobs.states import FINAL, JobState
from ingest.store import jobs
from ingest.store.job_rows import JobRow
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.console.rig import TOKEN, answering
from tests.export import reading
from tests.store import making
from tests.waiting import wait_until_async

pytestmark = pytest.mark.anyio

DAYS = 6
ROWS = 5 * DAYS
#: The chunk at the gate.
GATED = 2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What one chunk waits for before it is written; it tells meanwhile, as a long one does."""
    opened = threading.Event()

    def gated(database: Any, place: Any, planned: Any, chunk: Any, told: Any) -> Any:
        while chunk.number == GATED and not opened.wait(0.05):
            told(0)
        return write_chunk(database, place, planned, chunk, told)

    monkeypatch.setattr(export, "write_chunk", gated)
    yield opened
    opened.set()


class Asked:
    """A client of the console, and the folder that its exports go to."""

    def __init__(self, client: httpx.AsyncClient, rigged: JobRig, folder: Path) -> None:
        self.client = client
        self.rigged = rigged
        self.folder = folder

    async def export(self) -> str:
        answer = await self.client.post("/api/v1/exports", json={})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    async def job(self, job_id: str) -> Any:
        return (await self.client.get(f"/api/v1/jobs/{job_id}")).json()

    async def order(self, job_id: str, word: str) -> Any:
        return (await self.client.post(f"/api/v1/jobs/{job_id}/{word}")).json()

    async def until(self, job_id: str, status: str) -> Any:
        return await self._until(job_id, lambda job: job["status"] == status, status)

    async def all_but_one(self, job_id: str) -> Any:
        """Wait until only the gated chunk is left."""
        rows = ROWS - 5
        return await self._until(job_id, lambda job: job["progress"]["done"] == rows, f"{rows}")

    async def _until(self, job_id: str, reached: Any, describe: str) -> Any:
        async def job() -> Any:
            found = await self.job(job_id)
            assert reached(found) or found["status"] not in FINAL, (describe, found)
            return found if reached(found) else None

        return await wait_until_async(job, timeout=40, describe=describe)

    async def ended(self) -> dict[str, list[JobRow]]:
        """All jobs of exports by kind, once none of them goes on."""
        await wait_until_async(lambda: all(row.state in FINAL for row in self._rows()), timeout=40)
        kinds = ("export", "export_chunk", "export_manifest")
        return {kind: [row for row in self._rows() if row.kind == kind] for kind in kinds}

    def manifests(self) -> list[Path]:
        return list((self.folder / "_exports").glob("*.json"))

    def _rows(self) -> list[JobRow]:
        found = jobs.list_jobs(self.rigged.database, limit=200)
        return [row for row in found if row.kind.startswith("export")]


@asynccontextmanager
async def asking(rig: Rig) -> AsyncIterator[Asked]:
    """A console, a worker with threads for two chunks, a scheduler, and a past of some days."""
    rig.config("")
    for day in range(1, DAYS + 1):
        making.stored(rig.database, 5, received_at=making.now_ms() - day * making.DAY_MS)
    (rig.folder / "console.token").write_text(TOKEN)
    settings = rig.settings(HOOKKEEPER_CONSOLE_TOKEN=f"file:{rig.folder / 'console.token'}")
    rig.start("actors.scheduler")
    with rig.worker(threads=8):
        async with answering(settings) as client:
            yield Asked(client, JobRig(rig), settings.data / "exports")


async def test_its_status_and_progress_are_those_of_the_export(
    rig: Rig, gate: threading.Event
) -> None:
    async with asking(rig) as asked:
        job_id = await asked.export()
        stream = asyncio.create_task(asked.client.get(f"/api/v1/jobs/{job_id}/stream"))
        shown = await asked.all_but_one(job_id)
        assert (shown["progress"]["step"], shown["progress"]["total"]) == ("writing", ROWS)
        assert shown["status"] not in FINAL
        assert shown["result"] is None
        assert asked.manifests() == []

        gate.set()
        done = await asked.until(job_id, "success")

        assert (done["result"]["rows"], done["result"]["files"]) == (ROWS, DAYS)
        assert (asked.folder / done["result"]["manifest"]).is_file()
        lines = (await stream).text.splitlines()
        told = [json.loads(line[6:]) for line in lines if line.startswith("data:")]
        rows = [one["progress"]["done"] for one in told]
        assert ROWS - 5 in rows
        assert (told[-1]["status"], rows[-1]) == ("success", ROWS)
        assert len(reading.ids_in(asked.folder)) == ROWS


async def test_a_cancel_ends_all_of_it_and_the_next_one_goes_on(
    rig: Rig, gate: threading.Event
) -> None:
    async with asking(rig) as asked:
        job_id = await asked.export()
        await asked.all_but_one(job_id)
        await asked.order(job_id, "cancel")

        await asked.until(job_id, "revoked")
        ended = await asked.ended()
        (stopped,) = (row for row in ended["export_chunk"] if row.state is not JobState.SUCCESS)
        assert (stopped.state, stopped.error_code) == (JobState.REVOKED, "cancelled")
        assert [row.state for row in ended["export_manifest"]] == [JobState.REVOKED]
        assert asked.manifests() == []

        written = reading.data_files(asked.folder)
        gate.set()
        again = await asked.until(await asked.export(), "success")
        assert again["result"]["rows"] == ROWS
        assert written.items() <= reading.data_files(asked.folder).items(), "written again"
        assert len(reading.ids_in(asked.folder)) == ROWS


async def test_a_cancel_of_one_that_follows_leaves_the_other_one_alone(
    rig: Rig, gate: threading.Event
) -> None:
    async with asking(rig) as asked:
        first = await asked.export()
        await asked.all_but_one(first)
        second = await asked.export()
        followed = await asked.all_but_one(second)
        assert followed["progress"]["message"] == (await asked.job(first))["progress"]["message"]
        await asked.order(second, "cancel")
        await asked.until(second, "revoked")

        gate.set()
        assert (await asked.until(first, "success"))["result"]["rows"] == ROWS
        assert {row.state for row in (await asked.ended())["export_chunk"]} == {JobState.SUCCESS}


async def test_a_pause_holds_its_chunks(sqlite_rig: Rig, gate: threading.Event) -> None:
    async with asking(sqlite_rig) as asked:
        job_id = await asked.export()
        await asked.all_but_one(job_id)
        await asked.order(job_id, "pause")
        await wait_until_async(lambda: _rests(asked.rigged))
        gate.set()
        assert (await asked.job(job_id))["paused_at"] is not None
        assert asked.manifests() == []

        await asked.order(job_id, "resume")
        assert (await asked.until(job_id, "success"))["result"]["rows"] == ROWS


def _rests(rigged: JobRig) -> bool:
    """Whether the gated chunk has given its thread back."""
    rows = jobs.list_jobs(rigged.database, kind="export_chunk")
    (row,) = (row for row in rows if row.state is not JobState.SUCCESS)
    return row.state is JobState.PENDING and (row.wake_at or 0) > making.now_ms()


async def test_a_chunk_that_fails_for_good_fails_it_with_the_reason(sqlite_rig: Rig) -> None:
    """Its folder cannot be made: there is a file of that name."""
    async with asking(sqlite_rig) as asked:
        day = f"{reading.day_of(making.now_ms() - 2 * making.DAY_MS)}"
        blocked = asked.folder / "events" / "source=github" / f"day={day}"
        blocked.parent.mkdir(parents=True)
        blocked.write_text("not a folder")
        job_id = await asked.export()

        failed = await asked.until(job_id, "failure")

        (culprit,) = (
            row for row in (await asked.ended())["export_chunk"] if row.state is JobState.FAILURE
        )
        assert f"chunk {DAYS - 2} (job {culprit.id}): " in failed["error"]["message"]
        assert f"day={day}" in failed["error"]["message"]
        assert asked.manifests() == []
