"""Exports as jobs: planned, written side by side by workers, closed once, whatever dies."""

import hashlib
import random
from collections import Counter
from pathlib import Path

import pytest

from ingest.filters import spelled
from ingest.jobs.states import FINAL, JobState
from ingest.jobs.workflow import Call
from ingest.store import dispatch, jobs
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.actors.test_jobs_killed import kill
from tests.export import reading
from tests.store import making
from tests.waiting import wait_until

DAYS = 12


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    """A past of twelve days, of which each is a chunk, and a scheduler for an export that rests."""
    rig.config("")
    rig.start("actors.scheduler")
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
        done = rigged.result(job_id)

    assert (done["rows"], done["files"]) == (DAYS * 5, DAYS)
    told = rigged.row(job_id).progress
    assert (told.step, told.done, told.total) == ("written", DAYS * 5, DAYS * 5)
    assert told.message == done["export"]
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


def test_an_export_survives_kills_of_its_workers_and_of_the_scheduler(
    rigged: JobRig, tmp_path: Path
) -> None:
    """SIGKILL at random moments, in two rounds: the result of an undisturbed run, file by file."""
    seed = random.SystemRandom().randrange(10_000)
    moments = random.Random(seed)
    until = spelled(making.now_ms() - making.DAY_MS // 24)
    days = 4 * DAYS  # so that there is time for two kills
    for day in range(DAYS + 1, days + 1):
        making.stored(rigged.database, 5, received_at=making.now_ms() - day * making.DAY_MS)
    waiting = dispatch.undispatched(rigged.database, stored_ids(rigged))
    dispatch.dispatch(rigged.database, [(event, ()) for event in waiting])  # they change no more
    with rigged.rig.worker(threads=8) as broker:
        (calm_id,) = rigged.make(asked(tmp_path / "calm", until=until), broker=broker)
        rigged.wait_for(calm_id, JobState.SUCCESS, timeout=90)
        calm = rigged.result(calm_id)
    archive = tmp_path / "archive"
    (job_id,) = rigged.make(asked(archive, until=until))
    for _ in range(2):
        written = len(list(archive.rglob("0*.json"))) + moments.randrange(1, DAYS)
        killed = rigged.rig.start("actors.scheduler")
        worker = rigged.rig.start("dramatiq", "actors", "--processes", "1", "--threads", "2")
        wait_until(
            lambda written=written: len(list(archive.rglob("0*.json"))) >= written,  # type: ignore[misc]  # the loop's value
            timeout=60,
            describe=f"{written} chunks",
        )
        kill(worker)
        kill(killed)
    rigged.rig.dramatiq(threads=2)
    wait_until(
        lambda: all(row.state in FINAL for row in jobs.list_jobs(rigged.database, limit=1_000)),
        timeout=90,
        describe=f"every job to end (seed {seed})",
    )

    done = rigged.result(job_id)
    assert done == calm, seed
    assert done["rows"] == days * 5
    assert reading.ids_in(archive) == stored_ids(rigged), seed
    assert contents(archive) == contents(tmp_path / "calm"), seed
    assert [path.name for path in (archive / "_exports").iterdir()] == [Path(done["manifest"]).name]
    made = [row.kind for row in jobs.list_jobs(rigged.database, limit=1_000)]
    kinds = Counter(kind for kind in made if kind.startswith("export"))
    assert kinds == {"export": 2, "export_chunk": 2 * days, "export_manifest": 2}, seed


def contents(archive: Path) -> dict[str, str]:
    """What stands in each published file, by its name."""
    files = (archive / name for name in reading.data_files(archive))
    return {
        str(path.relative_to(archive)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
