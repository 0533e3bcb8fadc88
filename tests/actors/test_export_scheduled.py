"""An export that a schedule asks for again and again: what is new, once, whatever overlaps."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from actors.export import export
from actors.runtime import Runtime
from ingest.errors import Permanent
from ingest.jobs.context import JobContext, Paused
from ingest.jobs.states import Progress
from ingest.jobs.workflow import Call, Work
from ingest.store import jobs
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.store import making
from tests.store.making import execute, now_ms

MINUTE = 60_000


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    """With a scheduler, as an export rests while its chunks are written."""
    rig.config("")
    rig.start("actors.scheduler")
    return JobRig(rig)


def hourly(folder: Path, **words: str) -> Call:
    """What a schedule makes, each time the same."""
    kwargs = {"to": str(folder), "format": "jsonl", "since": "last", **words}
    return Call("export", (), kwargs, "jobs")


def events(rigged: JobRig, minutes_ago: int, count: int = 3) -> list[str]:
    at = now_ms() - minutes_ago * MINUTE
    return [event.id for event in making.stored(rigged.database, count, received_at=at)]


def exported(folder: Path) -> Counter[str]:
    """How often each event's id is in the files."""
    lines = [line for file in folder.rglob("*.jsonl") for line in file.read_text().splitlines()]
    return Counter(json.loads(line)["id"] for line in lines)


def manifests(folder: Path) -> int:
    return len(list((folder / "_exports").glob("*.json")))


def test_a_first_run_exports_all_but_the_last_minute(rigged: JobRig, tmp_path: Path) -> None:
    with rigged.rig.worker() as broker:
        first = events(rigged, minutes_ago=30)
        rigged.result(rigged.make(hourly(tmp_path), broker=broker)[0])
        assert exported(tmp_path) == Counter(first)
        # The place knows until when its last export is: what is newer is what comes after.
        (manifest,) = (tmp_path / "_exports").glob("*.json")
        ended = json.loads(manifest.read_text())["range"]["until"]
        assert now_ms() - ended < 2 * MINUTE, "all but the last minute"


def test_what_is_not_a_minute_old_comes_with_a_later_run(rigged: JobRig, tmp_path: Path) -> None:
    young = events(rigged, minutes_ago=0)
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(hourly(tmp_path), broker=broker)
        assert rigged.result(job_id) == {"rows": 0}
        for event_id in young:  # a minute later, as far as ids tell
            old = making.new_id(now_ms() - 2 * MINUTE)
            moved(rigged, event_id, old)
        (job_id,) = rigged.make(hourly(tmp_path), broker=broker)
        assert rigged.result(job_id)["rows"] == len(young)


def moved(rigged: JobRig, event_id: str, to: str) -> None:
    """Give an event another time."""
    columns = "event_id, headers, query, content_type, body, body_sha256"
    names = "source, type, state, received_at, stored_at, wake_at, trace_id"
    copy = f"INSERT INTO events (id, {names}) SELECT :to, {names} FROM events WHERE id = :id"
    execute(rigged.database, copy, id=event_id, to=to)
    payload = columns.replace("event_id", ":to")
    execute(
        rigged.database,
        f"INSERT INTO payloads ({columns}) SELECT {payload} FROM payloads WHERE event_id = :id",
        id=event_id,
        to=to,
    )
    execute(rigged.database, "DELETE FROM payloads WHERE event_id = :id", id=event_id)
    execute(rigged.database, "DELETE FROM events WHERE id = :id", id=event_id)


def test_nothing_new_is_a_success_that_leaves_nothing_behind(
    rigged: JobRig, tmp_path: Path
) -> None:
    """Or a schedule of every minute leaves half a million manifests of nothing a year."""
    events(rigged, minutes_ago=30)
    with rigged.rig.worker() as broker:
        rigged.result(rigged.make(hourly(tmp_path), broker=broker)[0])
        for _ in range(3):
            (job_id,) = rigged.make(hourly(tmp_path), broker=broker)
            assert rigged.result(job_id) == {"rows": 0}
    assert manifests(tmp_path) == 1


def test_runs_that_overlap_write_nothing_twice_and_none_fails(
    rigged: JobRig, tmp_path: Path
) -> None:
    """Each ends as the export does, whichever of them began it; no chunk is written twice."""
    wanted = [*events(rigged, minutes_ago=30), *events(rigged, minutes_ago=60 * 24 + 30)]
    with rigged.rig.worker() as broker:
        runs = [rigged.make(hourly(tmp_path), broker=broker)[0] for _ in range(5)]
        results = [rigged.result(run) for run in runs]
    assert exported(tmp_path) == Counter(wanted)
    assert {result["rows"] for result in results} <= {0, len(wanted)}
    made = Counter(row.kind for row in jobs.list_jobs(rigged.database, limit=100))
    assert (made["export_chunk"], made["export_manifest"]) == (2, 1)


def test_a_run_takes_up_what_another_one_has_given_up(rigged: JobRig, tmp_path: Path) -> None:
    """It follows the other one's jobs, and where these are revoked, it makes its own."""
    wanted = events(rigged, minutes_ago=30)
    made: list[list[str]] = []
    with rigged.rig.runtime() as runtime:
        first, second = (Run(runtime, rigged, made) for _ in range(2))
        for run in (first, first, second, second):  # the first start of each plans
            assert run.start(tmp_path) == {}
        assert len(made) == 1, "the second follows"
        assert second.told.message == first.told.message
        jobs.cancel(rigged.database, made[0][0])
        assert second.start(tmp_path) == {}
        assert len(made) == 2
        with rigged.rig.worker():
            rigged.result(made[1][-1])
        assert second.start(tmp_path)["rows"] == len(wanted)
        with pytest.raises(Permanent, match="cancelled while it waited"):
            first.start(tmp_path)
    assert exported(tmp_path) == Counter(wanted)


class Run:
    """One export whose starts are made here, one by one; its other jobs wait for a worker."""

    def __init__(self, runtime: Runtime, rigged: JobRig, made: list[list[str]]) -> None:
        self.told = Progress()
        self._runtime = runtime
        self._rigged = rigged
        self._made = made
        self._id = rigged.make(Call("export", ("nowhere",)))[0]
        later = "UPDATE jobs SET due_at = :at, wake_at = :at WHERE id = :id"
        execute(rigged.database, later, at=now_ms() + making.DAY_MS, id=self._id)

    def start(self, folder: Path) -> dict[str, Any]:
        """Start it once more; what it returned, or nothing where it rests."""
        context = JobContext(
            self._id,
            "export",
            earlier=self.told,
            database=self._runtime.database,
            make=self._make,
        )
        try:
            return export(context, **hourly(folder).kwargs)
        except Paused:
            return {}
        finally:
            if context.told != Progress():
                self.told = context.told

    def _make(self, work: Work, on_error: Call | None, _key: str) -> list[str]:
        self._made.append(self._rigged.make(work, on_error=on_error))
        return self._made[-1]


def test_a_source_that_has_sent_nothing_yet_is_no_mistake(rigged: JobRig, tmp_path: Path) -> None:
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(hourly(tmp_path, source="github"), broker=broker)
        assert rigged.result(job_id) == {"rows": 0}
