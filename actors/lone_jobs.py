"""Jobs that run alone, in a child process: what a worker has open, opened when the first comes."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from actors.attempts import job
from actors.attempts.python import described
from actors.job_context import context_of
from actors.kinds import spec_of
from actors.middleware.limits import Limits
from actors.telling import Teller
from ingest.config.settings import Settings
from ingest.config.snapshot import Loaded
from ingest.jobs.enqueuing import make
from ingest.jobs.hooks import Resources
from ingest.jobs.states import (
    ClaimedJob,
    JobOutcome,
    JobResult,
    Order,
    Progress,
    Returned,
    Told,
)
from ingest.jobs.workflow import Call, Work
from ingest.store import Database, open_database

Say = Callable[[dict[str, Any]], None]


class LoneJobs:
    """Runs jobs one at a time. All async work of the process is on one loop, as in a worker."""

    def __init__(self, settings: Settings, loaded: Loaded, limits: Limits, say: Say) -> None:
        self._settings = settings
        self._loaded = loaded
        self._limits = limits
        self._teller = Teller(_Pipe(say))
        self._runner = asyncio.Runner()
        self._resources: Resources = {}
        self._database: Database | None = None

    def run(self, fields: dict[str, Any]) -> JobResult:
        """Start a job once, here and now."""
        claimed = claimed_from(fields)
        spec = spec_of(self._loaded, claimed.kind)
        if spec is None:
            return job.unknown(claimed.kind)
        try:
            database = self._open()
        except Exception as error:  # noqa: BLE001 - users' hooks may raise anything
            return JobResult(JobOutcome.RETRYABLE, "startup_failed", described(error))

        def make_more(work: Work, on_error: Call | None, key: str) -> list[str]:
            return make(database, work, on_error, key, claimed.trace_id).ids

        context = context_of(claimed, self._resources, database, make_more)
        with self._teller.telling(claimed, context):
            return job.attempt(spec, context, claimed, self._limits, self._runner.run)

    def _open(self) -> Database:
        """Open the database, run the startup hooks, and begin to tell, once."""
        if self._database is None:
            database = open_database(self._settings.database_url)
            for hook in self._loaded.hooks.startup:
                returned = hook(self._resources)
                if inspect.iscoroutine(returned):
                    self._runner.run(returned)
            self._teller.start()
            self._database = database
        return self._database


class _Pipe:
    """Says to the worker what a job tells; an order is the end of this process."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def save(self, told: Sequence[Told]) -> Mapping[str, Order]:
        for one in told:
            self._say({"job_id": one.job_id, "progress": asdict(one.progress)})
        return {}

    def orders(self, starts: Mapping[str, int]) -> Mapping[str, Order]:
        return dict.fromkeys(starts, Order.GO_ON)


def claimed_from(fields: dict[str, Any]) -> ClaimedJob:
    """Read a job as ``children`` writes it."""
    results = tuple(Returned(**one) for one in fields["results"])
    return ClaimedJob(**{**fields, "results": results, "earlier": Progress(**fields["earlier"])})
