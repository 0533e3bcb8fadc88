"""``hookkeeper doctor`` on a pipeline that is not well. (Well: test_up.py.)"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ingest.jobs.states import JobOutcome, JobResult, JobState
from ingest.store import open_database
from tests.cli.command import run
from tests.services.ports import free_port
from tests.store import job_making, making


def checks(folder: Path, **settings: str) -> dict[str, dict[str, Any]]:
    done = run(folder, "doctor", "--json", settings=settings)
    assert "Traceback" not in done.err
    assert (done.code == 1) == any(each["level"] == "fail" for each in done.json["checks"])
    return {each["name"]: each for each in done.json["checks"]}


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    return tmp_path


def test_nothing_running_is_said_with_what_to_do(folder: Path) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"

    found = checks(folder, HOOKKEEPER_BROKER_URL=nowhere)

    assert found["workers"]["level"] == "fail"
    assert "hookkeeper worker" in found["workers"]["advice"]
    assert found["broker"]["level"] == "fail"
    assert nowhere in found["broker"]["message"]
    assert found["configuration"]["level"] == "warn"
    assert found["durability"]["level"] == "ok"
    assert found["ledger"]["level"] == "ok"


def test_an_empty_folder_fails_without_making_anything(tmp_path: Path) -> None:
    assert checks(tmp_path)["database"]["level"] == "fail"
    assert list(tmp_path.iterdir()) == []


def test_every_finding_is_a_line_for_people(folder: Path) -> None:
    done = run(folder, "doctor")

    assert done.code == 1
    assert "fail  workers" in done.out
    assert "checks failed" in done.out


def test_a_mistake_in_the_configuration_is_shown(folder: Path) -> None:
    (folder / "hookkeeper.toml").write_text('[sources.github]\nprovder = "github"\n')

    found = checks(folder)["configuration"]

    assert found["level"] == "fail"
    assert "provder" in found["message"]


def test_a_database_without_our_schema_names_the_way(folder: Path) -> None:
    (folder / "data" / "hookkeeper.db").write_bytes(b"")

    found = checks(folder)["migrations"]

    assert found["level"] == "fail"
    assert "hookkeeper migrate" in found["message"] + found["advice"]


def test_work_that_nobody_starts_is_late(folder: Path) -> None:
    database = open_database(f"sqlite:///{folder}/data/hookkeeper.db")
    making.stored(database)
    making.execute(database, "UPDATE events SET stored_at = stored_at - 30000")
    warned = checks(folder)["scheduler"]
    making.execute(database, "UPDATE events SET stored_at = stored_at - 90000")
    failed = checks(folder)
    database.close()

    assert warned["level"] == "warn"
    assert failed["scheduler"]["level"] == "fail"
    assert failed["ledger"]["level"] == "fail"
    assert "event_undispatched" in failed["ledger"]["message"]


def test_jobs_that_nobody_starts_and_those_that_were_given_up_are_said(folder: Path) -> None:
    database = open_database(f"sqlite:///{folder}/data/hookkeeper.db")
    before = checks(folder)
    failed, _ = (job_making.made_one(database) for _ in range(2))
    worker = making.a_worker(database)
    quarantined = JobResult(JobOutcome.CRASHED, "quarantined", "3 of its starts crashed.")
    job_making.end(database, worker, failed, JobState.FAILURE, quarantined)
    making.execute(database, "UPDATE jobs SET due_at = due_at - 90000 WHERE state = 'pending'")
    found = checks(folder)
    making.execute(database, "UPDATE jobs SET finished_at = 1 WHERE state = 'failure'")
    job_making.held(database, worker, job_making.made_one(database))
    later = checks(folder)
    database.close()

    assert [before[name]["level"] for name in ("jobs", "failed jobs")] == ["ok", "ok"]
    assert (found["jobs"]["level"], found["scheduler"]["level"]) == ("fail", "ok")
    assert found["jobs"]["message"] == "1 wait, 0 run; the oldest is due since 1m"
    assert found["failed jobs"]["message"] == "given up in 24 hours: 1 quarantined"
    assert "hookkeeper jobs list --status failure" in found["failed jobs"]["advice"]
    assert [later[name]["level"] for name in ("jobs", "failed jobs")] == ["ok", "ok"]


def test_a_full_disk_is_foreseen(folder: Path) -> None:
    found = checks(folder, HOOKKEEPER_DISK_LOW_WATER="999999GB")["disk"]

    assert found["level"] == "fail"
    assert "503" in found["message"]


def test_a_redis_that_evicts_is_a_warning(folder: Path, redis_url: str) -> None:
    import redis  # noqa: PLC0415  this test alone speaks to the server itself

    client = redis.Redis.from_url(redis_url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        done = run(folder, "doctor", settings={"HOOKKEEPER_BROKER_URL": redis_url})
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.close()

    assert "allkeys-lru" in done.out


def test_a_redis_that_is_full_delivers_nothing(folder: Path, redis_url: str) -> None:
    import redis  # noqa: PLC0415  this test alone speaks to the server itself

    client = redis.Redis.from_url(redis_url)
    client.config_set("maxmemory", 1_000)
    try:
        found = checks(folder, HOOKKEEPER_BROKER_URL=redis_url)["broker"]
    finally:
        client.config_set("maxmemory", 0)
        client.close()

    assert found["level"] == "fail"
    assert "none is delivered" in found["message"]


def test_postgresql_is_examined_too(tmp_path: Path, postgres_url: str) -> None:
    found = checks(tmp_path, HOOKKEEPER_DATABASE_URL=postgres_url)

    assert found["durability"]["level"] in {"ok", "fail"}
    assert "synchronous_commit" in found["durability"]["message"]
    assert found["migrations"]["level"] == "ok"
