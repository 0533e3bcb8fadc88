"""The ``job`` actor: runs one job a message, in the worker thread or on the event loop.

A suspect runs alone in a child, whose progress comes back through its pipe.
"""

import dramatiq

from actors.attempts import job
from actors.held_job import CURRENT, HeldJob
from actors.job_context import context_of
from actors.kinds import spec_of
from actors.publishing import wake_jobs
from actors.runtime import Runtime
from ingest import logs
from ingest.jobs.context import JobContext
from ingest.jobs.enqueuing import make
from ingest.jobs.specs import JobSpec
from ingest.jobs.states import ClaimedJob, JobResult
from ingest.jobs.workflow import Call, Work
from ingest.queue import JOB, JOBS, WakeBroker


def declare(broker: WakeBroker, runtime: Runtime) -> None:
    """Bind the actor to its queue; jobs' own queues are declared when the worker boots."""

    @dramatiq.actor(broker=broker, actor_name=JOB, queue_name=JOBS)
    def run(*, v: int, ids: list[str], destination: str | None) -> None:  # noqa: ARG001 - the fields of every message
        held = CURRENT.get()
        if held is not None:
            run_job(broker, runtime, held)


def run_job(broker: WakeBroker, runtime: Runtime, held: HeldJob) -> None:
    """Start a job once; what it came to is in ``held`` afterwards."""
    claimed = held.claimed
    held.begun = True
    spec = spec_of(runtime.loaded, claimed.kind)
    if spec is None:
        held.result = job.unknown(claimed.kind)
        return

    def make_more(work: Work, on_error: Call | None, key: str) -> list[str]:
        made = make(runtime.database, work, on_error, key, claimed.trace_id)
        wake_jobs(broker, made.due)
        return made.ids

    context = context_of(claimed, runtime.resources, runtime.database, make_more)
    with (
        logs.context(job_id=claimed.id, kind=claimed.kind, trace_id=claimed.trace_id),
        runtime.teller.telling(claimed, context),
    ):
        held.result = _attempt(runtime, spec, context, claimed)


def _attempt(
    runtime: Runtime, spec: JobSpec, context: JobContext, claimed: ClaimedJob
) -> JobResult:
    if claimed.crashes:
        return runtime.children.run_job(claimed, spec.time_limit_seconds, context)
    return job.attempt(spec, context, claimed, runtime.limits, runtime.run_on_loop)
