"""A user's folder with jobs in it: what the stories of jobs in workers begin with."""

import json
from typing import Any

from ingest.jobs.kinds import Kinds
from ingest.jobs.states import JobRef, JobState
from ingest.jobs.workflow import Call, Work, plan
from ingest.queue import WakeBroker, publish_jobs
from ingest.store import jobs, wake
from ingest.store.job_rows import JobRow
from tests.actors.rig import Rig
from tests.store.making import execute, new_id
from tests.waiting import wait_until

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
HEAD = """
import asyncio, json, os, threading, time
from pathlib import Path
from ingest import *
from ingest import Cancelled, JobContext, Paused, SoftTimeLimit
HERE = Path(__file__).parent
def note(name, text=""):
    with open(HERE / name, "ab", buffering=0) as file:
        file.write(f"{text} {os.getpid()}\\n".encode())
def wait(condition):
    while not condition():
        time.sleep(0.01)
"""


class JobRig:
    """A rig whose module marks jobs; ``make`` asks for some as the console does."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.database = rig.database

    def write(self, code: str) -> None:
        """Write the module and name it in the configuration."""
        (self.rig.folder / f"{self.rig.module}.py").write_text(HEAD + code)
        self.rig.config("")

    def call(self, name: str, *args: Any, **kwargs: Any) -> Call:
        """Call a function of the module."""
        return Call(f"{self.rig.module}.{name}", args, kwargs)

    def make(
        self, work: Work, *, on_error: Call | None = None, broker: WakeBroker | None = None
    ) -> list[str]:
        """Make jobs, and publish them where there is a broker; their ids."""
        kinds = Kinds(self.rig.loaded().jobs)
        planned = plan(work, kinds.queue_of, new_id, on_error=on_error)
        made = jobs.create(self.database, planned, trace_id=TRACE_ID)
        if broker is not None:
            publish_jobs(broker, made.due)
        return made.ids

    def run(self, broker: WakeBroker, name: str, *args: Any, **kwargs: Any) -> str:
        """Make one job and publish it; its id."""
        return self.make(self.call(name, *args, **kwargs), broker=broker)[0]

    def due(self) -> list[JobRef]:
        """Let everything that waits be due, and take it for publishing."""
        execute(self.database, "UPDATE jobs SET due_at = 1, wake_at = 1 WHERE wake_at IS NOT NULL")
        return wake.due_jobs(self.database, 100)

    def row(self, job_id: str) -> JobRow:
        found = jobs.get_job(self.database, job_id)
        assert found is not None
        return found

    def wait_for(self, job_id: str, state: JobState, timeout: float = 40.0) -> JobRow:
        """Wait until a job is in a state."""
        wait_until(
            lambda: self.row(job_id).state is state,
            timeout=timeout,
            describe=f"job {job_id} to be {state}",
        )
        return self.row(job_id)

    def result(self, job_id: str) -> Any:
        """What a job returned, once it has."""
        return json.loads(self.wait_for(job_id, JobState.SUCCESS).result or "null")

    def notes(self, name: str) -> list[str]:
        """What jobs left in a file, a line each, without the process."""
        path = self.rig.folder / name
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
