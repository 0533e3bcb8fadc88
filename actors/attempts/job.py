"""One start of one job: call its function under its limits and judge how it ended.

A sync job runs in the calling thread: at its soft limit SoftTimeLimit is raised in it, at its hard
one TimeLimitExceeded. An async one runs on the event loop: at its soft limit, and when somebody
cancels it, it is cancelled once, so that it may clean up; at its hard limit it is given up.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import structlog
from dramatiq.middleware.time_limit import TimeLimitExceeded

from actors.attempts.python import cleaned, described
from actors.middleware.limits import HARD_GRACE_SECONDS, Limits, WorkerStops
from ingest.errors import Permanent
from ingest.jobs.context import Cancelled, JobContext, Paused, Reference, SoftTimeLimit
from ingest.jobs.specs import JobSpec
from ingest.jobs.states import LARGEST_JSON, ClaimedJob, JobOutcome, JobResult

logger = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.5  # how soon an async job hears that it was cancelled
#: A job that its worker could not wait for goes on elsewhere, soon; its start does not count.
_STOPPED = JobResult(JobOutcome.PAUSED, rest_ms=1_000)

#: Runs a coroutine on the event loop and waits for it.
RunOnLoop = Callable[[Coroutine[Any, Any, JobResult]], JobResult]


def attempt(
    spec: JobSpec,
    context: JobContext,
    claimed: ClaimedJob,
    limits: Limits,
    run_on_loop: RunOnLoop,
) -> JobResult:
    """Run a job here and now, whatever it is, and return what it came to."""
    if spec.soft_time_limit_seconds is not None:
        context.soft_limit_at = time.monotonic() + spec.soft_time_limit_seconds
    if spec.is_async:
        return _attempt_on_loop(spec, context, claimed, limits, run_on_loop)
    return _attempt_sync(spec, context, claimed, limits)


def unknown(kind: str) -> JobResult:
    """Judge a job whose function the configuration does not name any more."""
    return JobResult(
        JobOutcome.RETRYABLE,
        "unknown_job",
        f"No job is named {kind!r} any more. Put it back and restart, or let this expire.",
    )


def _attempt_on_loop(
    spec: JobSpec, context: JobContext, claimed: ClaimedJob, limits: Limits, run_on_loop: RunOnLoop
) -> JobResult:
    """It keeps its own limit; this thread has one for an event loop that is blocked."""
    try:
        with limits.limit(spec.time_limit_seconds + HARD_GRACE_SECONDS):
            return run_on_loop(_attempt_async(spec, context, claimed))
    except WorkerStops:
        return _STOPPED


def _attempt_sync(
    spec: JobSpec, context: JobContext, claimed: ClaimedJob, limits: Limits
) -> JobResult:
    warnings = []
    if spec.soft_time_limit_seconds is not None:
        warnings.append((spec.soft_time_limit_seconds, SoftTimeLimit))
    try:
        args, kwargs = _arguments(claimed)
        with limits.limit(spec.time_limit_seconds, *warnings):
            returned = spec.function(context, *args, **kwargs)
    except WorkerStops:
        return _STOPPED
    except BaseException as error:  # noqa: BLE001 - a job's sys.exit() must not end the worker
        return _failure(spec, context, error)
    return _success(returned)


async def _attempt_async(spec: JobSpec, context: JobContext, claimed: ClaimedJob) -> JobResult:
    args, kwargs = _arguments(claimed)
    task = asyncio.ensure_future(spec.function(context, *args, **kwargs))
    try:
        await _look_after(task, context, spec.time_limit_seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()
        task.add_done_callback(_forget)
        return _timed_out(spec)
    try:
        return _success(task.result())
    except BaseException as error:  # noqa: BLE001 - as above
        return _failure(spec, context, error)


async def _look_after(
    task: "asyncio.Future[Any]", context: JobContext, limit_seconds: float
) -> None:
    """Wait for a job until its hard limit; tell it once, by a cancellation, to come to an end."""
    ends_at = time.monotonic() + limit_seconds
    told = False
    while not task.done() and (left := ends_at - time.monotonic()) > 0:
        if not told and (context.cancelled() or context.soft_limit_reached()):
            told = task.cancel()
        waits = [left, _LOOK_SECONDS]
        if context.soft_limit_at is not None and not told:
            waits.append(max(0.0, context.soft_limit_at - time.monotonic()))
        await asyncio.wait({task}, timeout=min(waits))


def _arguments(claimed: ClaimedJob) -> tuple[list[Any], dict[str, Any]]:
    fields = orjson.loads(claimed.arguments)
    return fields["args"], fields["kwargs"]


def _success(returned: object) -> JobResult:
    """Keep what a job returned: JSON of at most 64 KB, or where it lies."""
    if isinstance(returned, Reference):
        return JobResult(JobOutcome.SUCCEEDED, reference=returned.url)
    try:
        result = orjson.dumps(returned)
    except TypeError as error:
        return JobResult(
            JobOutcome.PERMANENT,
            "result_not_json",
            cleaned(f"A job's result is kept as JSON, and this is none: {error}"),
        )
    if len(result) > LARGEST_JSON:
        return JobResult(
            JobOutcome.PERMANENT,
            "result_too_large",
            f"A job's result takes at most {LARGEST_JSON:,} bytes of JSON, this takes "
            f"{len(result):,}. Write it to a file or a bucket and return Reference(its address).",
        )
    return JobResult(JobOutcome.SUCCEEDED, result=result.decode())


def _failure(spec: JobSpec, context: JobContext, error: BaseException) -> JobResult:
    if isinstance(error, Cancelled) or (
        isinstance(error, asyncio.CancelledError) and context.cancelled()
    ):
        return JobResult(JobOutcome.CANCELLED, "cancelled", "It was cancelled while it ran.")
    if isinstance(error, Paused):
        return JobResult(JobOutcome.PAUSED, rest_ms=round(error.seconds * 1_000))
    if isinstance(error, TimeLimitExceeded):
        return _timed_out(spec)
    if isinstance(error, SoftTimeLimit | asyncio.CancelledError) and context.soft_limit_reached():
        return JobResult(
            JobOutcome.TIMED_OUT,
            "soft_time_limit",
            f"It came to its end at its soft limit of {spec.soft_time_limit_seconds:g} s.",
        )
    if isinstance(error, Permanent):
        return JobResult(JobOutcome.PERMANENT, "permanent", cleaned(str(error)))
    again = isinstance(error, spec.retry_for)
    outcome = JobOutcome.RETRYABLE if again else JobOutcome.PERMANENT
    return JobResult(outcome, "job_error", described(error))


def _timed_out(spec: JobSpec) -> JobResult:
    return JobResult(
        JobOutcome.TIMED_OUT,
        "timeout",
        f"The job was stopped at its limit of {spec.time_limit_seconds:g} s.",
    )


def _forget(task: "asyncio.Future[Any]") -> None:
    """Note the late end of a job that was given up."""
    error = None if task.cancelled() else task.exception()
    logger.warning("job.ended_late", error=str(error))
