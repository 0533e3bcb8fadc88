"""The README's "Backup and restore": a copy taken under load, an empty Redis, and all goes on.

Its commands are run as they stand there.
"""

import os
import re
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from uuid_utils import uuid7

from ingest.events import DeliveryState
from ingest.jobs.states import JobState
from ingest.jobs.workflow import Call, chain, plan
from ingest.store import jobs, ledger, queries
from tests.live.load import Load
from tests.pipeline import HANDLERS, Pipeline, running_pipeline
from tests.services.postgres import PostgresServer
from tests.services.programs import find_program
from tests.services.redis import RedisServer
from tests.services.sink import Sink
from tests.waiting import wait_until

pytestmark = pytest.mark.live

README = Path(__file__).parent.parent.parent / "README.md"
JOBS = (
    HANDLERS
    + """

from ingest import job


@job(time_limit=120)
def begins(context):
    (HERE / "begun").touch()
    while not (HERE / "release").exists():
        threading.Event().wait(0.05)


@job()
def follows(context):
    (HERE / "followed").touch()
"""
)


@dataclass(frozen=True)
class Commands:
    """What the README says for one kind of database, and the environment it needs."""

    backup: str
    restore: str
    environ: dict[str, str]

    def run(self, pipeline: Pipeline, commands: str) -> None:
        """Run a block of the README in the pipeline's folder."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=pipeline.folder,
            env=pipeline.environ | self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (commands, done.stdout, done.stderr)


def documented() -> list[str]:
    """The four blocks of commands: backup and restore of SQLite, and of PostgreSQL."""
    section = README.read_text().partition("\n## Backup and restore\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 4
    return blocks


def of_postgresql(server: PostgresServer) -> tuple[str, Commands]:
    """A database, and what leads to one beside it. URLs as people write them, not SQLAlchemy."""
    name = f"backup_{uuid.uuid4().hex[:8]}"
    url = server.create_database(name).replace("+psycopg", "")
    folders = tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    tools = find_program(("pg_restore",), folders, "postgresql").parent
    environ = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RESTORED_URL": url.replace(name, "restored"),
    }
    backup, restore = documented()[2:]
    return url, Commands(backup, restore, environ)


@pytest.fixture(params=["sqlite", "postgresql"])
def started(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> Iterator[tuple[Pipeline, Commands]]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/data/hookkeeper.db"
        backup, restore = documented()[:2]
        commands = Commands(backup, restore, {})
        (tmp_path / "data").mkdir()
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.start()
        url, commands = of_postgresql(server)
    redis_server.start()
    redis_server.flush()
    with (
        closing(Sink()) as sink,
        running_pipeline(tmp_path, url, redis_server.url, sink, handlers=JOBS) as pipeline,
    ):
        yield pipeline, commands


def test_a_copy_taken_under_load_goes_on_where_it_was(
    started: tuple[Pipeline, Commands], redis_server: RedisServer
) -> None:
    pipeline, commands = started
    pipeline.cli("destinations", "pause", "sink")  # so that its deliveries wait
    workflow = a_workflow_that_runs(pipeline)
    slow = pipeline.post("slow", b"").id
    wait_until(lambda: slow in pipeline.noted_ids("slow_started"), timeout=30)
    wait_until((pipeline.folder / "begun").exists, timeout=30)
    known, lost = uuid.uuid4().hex, uuid.uuid4().hex
    first = pipeline.github(b'{"known": 1}', delivery=known)

    with Load(pipeline) as load:
        wait_until(lambda: len(load.acknowledged) >= 40, timeout=60, describe="load")
        before = set(load.acknowledged) | {first.id, slow}
        commands.run(pipeline, commands.backup)
        copied = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) >= copied + 20, timeout=60)
    gone = pipeline.github(b'{"lost": 1}', delivery=lost)
    (pipeline.folder / "release").touch()
    pipeline.stop()
    redis_server.flush()
    commands.run(pipeline, commands.restore)
    pipeline.database_url = commands.environ.get("RESTORED_URL", pipeline.database_url)
    pipeline.environ["HOOKKEEPER_DATABASE_URL"] = pipeline.database_url

    stored, done = what_the_copy_says(pipeline)
    assert before <= stored
    assert gone.id not in stored
    assert done, "some were handled before the copy was made"
    handled = Counter(id_ for id_, _ in pipeline.noted("handled"))

    pipeline.start()
    pipeline.cli("destinations", "resume", "sink")
    wait_until(lambda: at_rest(pipeline, workflow), timeout=120, describe="everything at rest")

    sent = Counter(request.header("webhook-id") for request in pipeline.sink.requests("/sink"))
    assert set(sent) == stored - {slow}
    assert set(sent.values()) == {1}, "what waited went out once"
    after = Counter(id_ for id_, _ in pipeline.noted("handled"))
    assert [id_ for id_ in done if after[id_] != handled[id_]] == [], "what was done stays done"
    assert stored - {slow} <= set(after)
    assert [id_ for id_, _ in pipeline.noted("slow_started")] == [slow, slow]  # it was running
    assert (pipeline.folder / "followed").exists()

    again = pipeline.github(b'{"known": 1}', delivery=known)
    assert (again.status, again.id) == (200, first.id), "the copy remembers what it has seen"
    assert pipeline.github(b'{"lost": 1}', delivery=lost).status == 202, "what was lost comes anew"


def a_workflow_that_runs(pipeline: Pipeline) -> list[str]:
    """A job that runs while the copy is made, and one that waits for it."""
    work = chain(Call("handlers.begins"), Call("handlers.follows"))
    planned = plan(work, lambda _kind: "jobs", lambda: str(uuid7()))
    with pipeline.database() as database:
        return jobs.create(database, planned, trace_id="0af7651916cd43dd8448eb211c80319c").ids


def what_the_copy_says(pipeline: Pipeline) -> tuple[set[str], set[str]]:
    """Which events it has, and which of them were handled to the end."""
    with pipeline.database() as database:
        stored = {row.id for row in queries.list_events(database, limit=1_000_000)}
        rows = queries.list_deliveries(database, destination="keep_body", limit=1_000_000)
        return stored, {row.event_id for row in rows if row.state == DeliveryState.SUCCEEDED}


def at_rest(pipeline: Pipeline, workflow: list[str]) -> bool:
    with pipeline.database() as database:
        states = [row.state for id_ in workflow if (row := jobs.get_job(database, id_))]
        busy = [one for one in ledger.depths(database) if one.count]
        broken = any(ledger.violations(database).values())
    return not busy and not broken and states == [JobState.SUCCESS] * 2
