"""``hookkeeper replay`` as a person runs it: counted, confirmed, made as a job, and followed."""

import json
import os
import pty
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest.jobs.states import JobOutcome, JobResult, JobState
from ingest.store import Database, dispatch, jobs, open_database
from tests.cli.command import Done, argv, environ, run
from tests.store import job_making, making
from tests.waiting import wait_until

OLD = making.now_ms() - making.DAY_MS
CONFIG = """
[sources.github]
provider = "none"
[destinations.billing]
url = "https://billing.example.com/hooks"
"""
#: A port where nobody listens: no broker is needed to make a job.
SETTINGS = {"HOOKKEEPER_BROKER_URL": "redis://127.0.0.1:1/0"}
RESULT = {"matched": 3, "replayed": 2, "skipped": 1}


@dataclass
class Folder:
    """A folder with a database that the test fills."""

    path: Path
    database: Database

    def run(self, *arguments: str) -> Done:
        return run(self.path, "replay", *arguments, settings=SETTINGS)

    def job(self) -> str:
        """The id of the only job, once it is made."""
        wait_until(lambda: jobs.list_jobs(self.database), timeout=20)
        (row,) = jobs.list_jobs(self.database)
        return row.id

    def end(self, state: JobState, result: JobResult) -> str:
        """Do what a worker does: start the job, and end it."""
        job_id = self.job()
        worker = making.a_worker(self.database)
        job_making.end(self.database, worker, job_id, state, result)
        return job_id

    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(job_making.row(self.database, self.job()).arguments)
        return found


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Iterator[Folder]:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "hookkeeper.toml").write_text(CONFIG)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    database = open_database(f"sqlite:///{tmp_path}/data/hookkeeper.db")
    events = making.stored(database, 3, received_at=OLD)
    dispatch.dispatch(database, [(event, ()) for event in events])
    yield Folder(tmp_path, database)
    database.close()


def test_a_dry_run_counts_and_changes_nothing(folder: Folder) -> None:
    done = folder.run("--dry-run", "--type", "push", "--since", "2d")

    assert done.code == 0, done.err
    assert done.out.startswith("3 events from ")
    assert done.out.endswith(" would be replayed.\n")
    counted = folder.run("--dry-run", "--json").json
    assert (counted["matching"], counted["job_id"], counted["since"]) == (3, None, 0)
    assert jobs.list_jobs(folder.database) == []


def test_a_replay_is_made_as_a_job_with_what_was_counted(folder: Folder) -> None:
    done = folder.run("--yes", "--detach", "--source", "github", "--to", "billing", "--rate", "5")

    assert done.code == 0, done.err
    assert done.out.startswith(f"Job {folder.job()} replays 3 events from the beginning to ")
    target = {"destination": "billing", "kind": "http", "queue": "deliver", "digest_ms": 0}
    words = {"dataset": "events", "source": "github", "rate": 5.0, "target": target}
    assert folder.arguments() == {"args": [], "kwargs": words}
    assert making.rows(folder.database, "SELECT job_id, total FROM bulk_replays") == [
        (folder.job(), 3)
    ]


def test_where_nobody_can_be_asked_it_has_to_be_said(folder: Folder) -> None:
    done = folder.run()

    assert done.code == 2
    assert "3 events from the beginning to " in done.err
    assert "--yes" in done.err
    assert jobs.list_jobs(folder.database) == []


def test_what_matches_nothing_makes_no_job(folder: Folder) -> None:
    done = folder.run("--yes", "--since", "1h")
    assert done.code == 0
    assert done.out.startswith("0 events from ")
    assert jobs.list_jobs(folder.database) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("payloads",), "DATASET: there is no dataset 'payloads'"),
        (("--source", "githb"), "--source: there is no source 'githb'; did you mean \"github\"?"),
        (("--type", "*.opened"), "--type: '*.opened'"),
        (("--state", "dead"), "--state: there is no state 'dead'"),
        (("deliveries", "--state", "waiting"), "--state: what is waiting has not ended"),
        (("--destination", "billing"), "--destination: events have none"),
        (("deliveries", "--destination", "biling"), "--destination: there is no destination"),
        (("--since", "yesterday"), "--since: 'yesterday'"),
        (("--until", "noon"), "--until: 'noon'"),
        (("--to", "biling"), "--to: there is no destination 'biling'; did you mean \"billing\"?"),
        (("--rate", "0"), "--rate: 0 a second is none"),
        (("--rate", "nan"), "--rate: nan a second is none"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    folder: Folder, arguments: tuple[str, ...], reason: str
) -> None:
    done = folder.run("--yes", *arguments)

    assert done.code == 2
    assert reason in done.err
    assert "Traceback" not in done.err
    assert jobs.list_jobs(folder.database) == []


# -- followed ----------------------------------------------------------------------------------


def following(folder: Folder, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv("replay", "--yes", *arguments),
        cwd=folder.path,
        env=environ(**SETTINGS),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_replay_is_followed_to_its_end(folder: Folder) -> None:
    with following(folder) as process:
        succeeded = JobResult(JobOutcome.SUCCEEDED, result=json.dumps(RESULT))
        job_id = folder.end(JobState.SUCCESS, succeeded)
        out, err = process.communicate(timeout=20)

    assert process.returncode == 0, err
    assert out == "Replayed 2 of 3 events; 1 gone meanwhile.\n"
    assert job_id in err


def test_programs_get_the_figures(folder: Folder) -> None:
    with following(folder, "--json") as process:
        succeeded = JobResult(JobOutcome.SUCCEEDED, result=json.dumps(RESULT))
        job_id = folder.end(JobState.SUCCESS, succeeded)
        out, _ = process.communicate(timeout=20)

    assert json.loads(out) == {"job_id": job_id, **RESULT}


def test_a_replay_that_is_cancelled_fails_the_command(folder: Folder) -> None:
    with following(folder) as process:
        job_id = folder.job()
        jobs.cancel(folder.database, job_id)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 1
    assert job_id in err
    assert "cancelled" in err
    assert "0 of 3 were replayed" in err


def test_ctrl_c_ends_the_waiting_and_not_the_job(folder: Folder) -> None:
    with following(folder) as process:
        job_id = folder.job()
        assert process.stderr is not None
        while job_id not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "goes on without you" in err
    assert "Traceback" not in err
    assert job_making.state(folder.database, job_id) is JobState.PENDING


@pytest.mark.parametrize(("answer", "made"), [(b"y\n", 1), (b"n\n", 0), (b"\n", 0)])
def test_on_a_terminal_it_asks_first(folder: Folder, answer: bytes, made: int) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        argv("replay", "--detach"),
        cwd=folder.path,
        env=environ(**SETTINGS),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        said = b""
        while b"?" not in said:
            said += os.read(ours, 4_096)
        os.write(ours, answer)
        with suppress(OSError):  # how a terminal says that the other end is closed
            while part := os.read(ours, 4_096):
                said += part
        process.wait(timeout=20)
    os.close(ours)

    assert b"Replay 3 events from the beginning to " in said
    assert len(jobs.list_jobs(folder.database)) == made
    assert process.returncode == (0 if made else 1)
    if not made:
        assert b"nothing was replayed" in said
