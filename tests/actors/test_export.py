"""Exports as jobs: planned, written side by side by workers, closed once, whatever dies."""

import os
import signal
from pathlib import Path

import pytest

from ingest.jobs.states import FINAL, JobState
from ingest.jobs.workflow import Call
from ingest.store import jobs
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.export import reading
from tests.store import making
from tests.waiting import wait_until

DAYS = 12


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    """A past of twelve days, of which each is a chunk."""
    rig.config("")
    for day in range(1, DAYS + 1):
        at = making.now_ms() - day * making.DAY_MS
        making.stored(rig.database, 5, received_at=at)
    return JobRig(rig)


def asked(folder: Path, **words: str) -> Call:
    return Call("export", (str(folder),), words)


def stored_ids(rigged: JobRig) -> list[str]:
    return [id_ for (id_,) in making.rows(rigged.database, "SELECT id FROM events ORDER BY id")]


def test_an_export_is_written_in_chunks_and_closed_by_a_manifest(
    rigged: JobRig, tmp_path: Path
) -> None:
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(asked(tmp_path / "archive"), broker=broker)
        planned = rigged.result(job_id)
        done = rigged.result(planned["ended_by"])

    assert planned["rows"] == done["rows"] == DAYS * 5
    assert done["files"] == DAYS
    assert (tmp_path / "archive" / done["manifest"]).is_file()
    assert reading.ids_in(tmp_path / "archive") == stored_ids(rigged)
    kinds = [row.kind for row in jobs.list_jobs(rigged.database)]
    assert kinds.count("export_chunk") == DAYS
    assert kinds.count("export_manifest") == 1


def test_an_export_that_cannot_be_fails_at_once_with_the_reason(
    rigged: JobRig, tmp_path: Path
) -> None:
    with rigged.rig.worker() as broker:
        call = asked(tmp_path / "archive", source="githb")
        (job_id,) = rigged.make(call, broker=broker)
        row = rigged.wait_for(job_id, JobState.FAILURE)

    assert row.error_message is not None
    assert "source: there is no source 'githb'" in row.error_message
    assert row.attempts == 1
    assert not (tmp_path / "archive").exists()


def test_an_export_survives_kills_of_its_worker(rigged: JobRig, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    (job_id,) = rigged.make(asked(archive))
    rigged.rig.start("actors.scheduler")
    worker = rigged.rig.dramatiq(threads=2)
    wait_until(lambda: list(archive.rglob("0*.json")), timeout=60, describe="a first chunk")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    rigged.rig.dramatiq(threads=2)
    wait_until(
        lambda: all(row.state in FINAL for row in jobs.list_jobs(rigged.database)),
        timeout=90,
        describe="every job to end",
    )

    done = rigged.result(rigged.result(job_id)["ended_by"])
    assert done["rows"] == DAYS * 5
    assert reading.ids_in(archive) == stored_ids(rigged)
