"""``hookkeeper jobs``: looking at jobs and ordering them about, with nothing else running."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.jobs.states import JobState, Progress, Told
from ingest.store import Database, job_claims, jobs, open_database
from tests.cli.command import Done, run
from tests.store import job_making, making

NOBODY = "0191b2c0-0000-7000-8000-000000000001"


@dataclass
class Folder:
    """A folder with a database that the test fills."""

    path: Path
    database: Database

    def run(self, *arguments: str) -> Done:
        return run(self.path, "jobs", *arguments)


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Iterator[Folder]:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    database = open_database(f"sqlite:///{tmp_path}/data/hookkeeper.db")
    yield Folder(tmp_path, database)
    database.close()


def test_jobs_are_listed_newest_first_and_can_be_filtered(folder: Folder) -> None:
    old, new = (job_making.made_one(folder.database, kind) for kind in ("export", "resize"))
    jobs.cancel(folder.database, old)

    def ids(*filters: str) -> list[str]:
        return [row["job_id"] for row in folder.run("list", "--json", *filters).json]

    assert ids() == [new, old]
    assert ids("--kind", "export") == [old]
    assert ids("--status", "pending") == [new]
    assert ids("--limit", "1") == [new]


def test_a_status_that_there_is_not_lists_those_there_are(folder: Folder) -> None:
    done = folder.run("list", "--status", "waiting")

    assert done.code == 2
    assert "pending, started, progress, success, failure, revoked" in done.err


def test_a_running_job_is_shown_with_its_progress(folder: Folder) -> None:
    job_id = job_making.made_one(folder.database, "export", "github")
    worker = making.a_worker(folder.database)
    (claim,) = job_making.held(folder.database, worker, job_id)
    progress = Progress("writing", 1_500, 20_000, "\x1b[31mday 3")
    job_claims.save_progress(folder.database, worker, [Told(job_id, claim.starts, progress)])

    shown = folder.run("show", job_id).out

    assert "status     progress\n" in shown
    assert "progress   writing 1,500 of 20,000 \\x1b[31mday 3\n" in shown
    assert '{"args":["github"],"kwargs":{}}' in shown
    assert "error" not in shown


def test_a_failed_and_a_finished_job_say_what_came_of_them(folder: Folder) -> None:
    worker = making.a_worker(folder.database)
    good, bad = (job_making.made_one(folder.database) for _ in range(2))
    job_making.end(folder.database, worker, good)
    job_making.end(folder.database, worker, bad, JobState.FAILURE, job_making.FAILED)

    assert folder.run("show", good, "--json").json["result"] == {"rows": 3}
    assert "job_error ConnectionError: refused" in folder.run("show", bad).out
    assert "job_error ConnectionError: refused" in folder.run("list").out


def test_orders_are_carried_out_and_the_status_said(folder: Folder) -> None:
    job_id = job_making.made_one(folder.database)

    assert folder.run("pause", job_id).out == f"{job_id} is paused.\n"
    assert job_making.row(folder.database, job_id).wake_at is None
    assert folder.run("resume", job_id).out == f"{job_id} is pending.\n"
    assert job_making.row(folder.database, job_id).wake_at is not None
    assert folder.run("cancel", job_id, "--json").json["status"] == "revoked"
    assert job_making.state(folder.database, job_id) is JobState.REVOKED


def test_a_running_job_that_is_cancelled_is_told(folder: Folder) -> None:
    job_id = job_making.made_one(folder.database)
    job_making.held(folder.database, making.a_worker(folder.database), job_id)

    assert folder.run("cancel", job_id).out == f"{job_id} is started, to be cancelled.\n"


@pytest.mark.parametrize("command", ["show", "cancel", "pause", "resume"])
def test_an_unknown_job_is_not_found(folder: Folder, command: str) -> None:
    done = folder.run(command, NOBODY)

    assert done.code == 1
    assert NOBODY in done.err
