"""``hookkeeper schedules list``, ``config check``, and the demo's export, as a user sees them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.schedules import Schedule, to_json
from ingest.store import Database, open_database, schedules
from ingest.times import every
from tests.cli.command import Done, run
from tests.store.job_making import TRACE_ID, call, planned
from tests.store.making import execute, now_ms

CONFIG = """
[schedules.archive]
cron = "30 4 * * *"
zone = "Europe/Berlin"
job = "export"
kwargs = { to = "exports", format = "jsonl" }

[schedules.retention]
enabled = false
"""
HANDLERS = """
from ingest import JobContext, job, schedule

@schedule(every="1h", kwargs={"days": 1})
@job(name="tidy")
def tidy(context: JobContext, days: int) -> None: ...
"""


@dataclass
class Folder:
    """A folder with a database, as a pipeline that ran here left it."""

    path: Path
    database: Database

    def write(self, text: str) -> None:
        (self.path / "hookkeeper.toml").write_text(text)

    def listed(self) -> dict[str, dict[str, object]]:
        rows = run(self.path, "schedules", "list", "--json").json
        return {row["name"]: row for row in rows}

    def check(self) -> Done:
        return run(self.path, "config", "check")


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Iterator[Folder]:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    database = open_database(f"sqlite:///{tmp_path}/data/hookkeeper.db")
    made = Folder(tmp_path, database)
    made.write(CONFIG)
    yield made
    database.close()


def test_all_schedules_are_listed_wherever_they_are_written(folder: Folder) -> None:
    tidy = Schedule("tidy", call("tidy"), every(3_600_000))
    schedules.sync(folder.database, {"tidy": to_json(tidy)})
    found = folder.listed()
    origins = {name: row["origin"] for name, row in found.items()}
    shipped = dict.fromkeys(("cleanup", "report", "retention"), "shipped")
    assert origins == {"archive": "file", "tidy": "code", **shipped}
    archive = found["archive"]
    assert (archive["job"], archive["times"]) == ("export", "30 4 * * *")
    assert (archive["zone"], archive["catch_up"]) == ("Europe/Berlin", "once")
    next_at = archive["next_at"]
    assert isinstance(next_at, int)
    assert now_ms() < next_at <= now_ms() + 25 * 3_600_000
    assert (found["retention"]["enabled"], found["retention"]["next_at"]) == (False, None)
    assert found["tidy"]["times"] == "every 1h"


def test_the_last_fire_is_told(folder: Folder) -> None:
    schedules.enter(folder.database, ["archive"])
    execute(folder.database, "UPDATE schedules SET fired_until = 0")
    fires = [schedules.Fire(at, planned(call("export")), TRACE_ID) for at in (1_000, 2_000)]
    schedules.fire(folder.database, "archive", 0, 2_000, fires)
    assert folder.listed()["archive"]["last_at"] == 2_000


def test_people_see_a_table(folder: Folder) -> None:
    lines = run(folder.path, "schedules", "list").out.splitlines()
    assert lines[0].split("\t") == ["name", "job", "times", "zone", "next", "last", "origin"]
    assert lines[1].startswith("archive\texport\t30 4 * * *\tEurope/Berlin\t")
    (retention,) = [line for line in lines if line.startswith("retention")]
    assert "\tdisabled\t" in retention


def test_a_schedule_whose_job_is_nowhere_is_found_by_config_check(folder: Folder) -> None:
    (folder.path / "handlers.py").write_text(HANDLERS)
    head = 'handlers = ["handlers"]\n'
    folder.write(head + '[schedules.x]\nevery = "1h"\njob = "tidi"\n')
    done = folder.check()
    assert done.code != 0
    assert "[schedules.x] job: there is no job 'tidi'; did you mean \"tidy\"?" in done.err

    folder.write(head + '[schedules.x]\nevery = "1h"\njob = "tidy"\n')
    assert "[schedules.x] kwargs: tidy cannot be called so" in folder.check().err

    folder.write(head + '[schedules.x]\nevery = "1h"\njob = "tidy"\nkwargs = { days = 1 }\n')
    assert folder.check().code == 0
