"""Jobs: made, looked at, waited for, cancelled, paused."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from ingest.config.mistakes import did_you_mean
from ingest.console.answering import Answer, Page
from ingest.console.asking import (
    AfterId,
    Asked,
    Body,
    Id,
    IdempotencyKey,
    Limit,
    Name,
    whole_id,
)
from ingest.console.desk import Desk
from ingest.console.keeping import PATH, MadeJob, keep, new_id, planned
from ingest.console.operations import Operation
from ingest.console.refusals import invalid
from ingest.console.watching import changed, changes, found_job, look
from ingest.errors import NotFound
from ingest.jobs.kinds import BUILT_IN
from ingest.jobs.states import JobChange, JobState
from ingest.jobs.workflow import Call
from ingest.store import Database
from ingest.store import jobs as store
from ingest.store.job_rows import JobRow

LONGEST_WAIT_SECONDS = 60

#: What makes the kinds that have words of their own; what remains of them is made by schedules.
_MADE_BY = {
    "export": "POST /api/v1/exports",
    "export_chunk": "an export",
    "export_manifest": "an export",
    "bulk_replay": "POST /api/v1/replays",
}


class ProgressItem(Answer):
    """How far a job has come, in its own words."""

    step: str | None
    done: int | None
    total: int | None
    message: str | None


class ErrorItem(Answer):
    """Why a job failed, was revoked, or is tried again."""

    code: str
    message: str


class Arguments(Body):
    """What a job is called with, after its context."""

    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)


class JobItem(Answer):
    """A job in a list."""

    job_id: str
    kind: str
    queue: str
    status: JobState
    progress: ProgressItem
    error: ErrorItem | None
    attempts: int = Field(description="Starts that reported an outcome.")
    crashes: int = Field(description="Starts that never did: their process died.")
    waits_for: int = Field(description="How many jobs have to succeed before it may start.")
    created_at: int
    started_at: int | None
    finished_at: int | None
    wake_at: int | None = Field(description="When it is tried next; null: it does not wait.")
    paused_at: int | None
    cancel_requested_at: int | None
    workflow_id: str | None
    schedule: str | None
    fire_at: int | None
    trace_id: str


class JobDetail(JobItem):
    """A job, what it was given, and what came of it."""

    arguments: Arguments
    result: Any = Field(description="What it returned; null before, and where result_ref is set.")
    result_ref: str | None = Field(description="Where a large result lies.")


class ListJobs(Asked):
    """Filters of a list of jobs."""

    status: JobState | None = None
    kind: Name | None = None
    workflow_id: Id | None = None
    after: AfterId | None = None
    limit: Limit = 50


class OneJob(Asked):
    """Names a job."""

    job_id: str


class WaitForJob(OneJob):
    """Names a job, and how long to wait for it to change."""

    wait: Annotated[
        int,
        Field(
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            description="Seconds to wait for another status; one that has ended is not waited for.",
        ),
    ] = 0
    seen: JobState | None = Field(
        default=None, description="The status that is known; another one is answered at once."
    )


class JobBody(Arguments):
    """What to run, and with what."""

    kind: Name


class MakeJob(Asked):
    """A job that is to be made."""

    body: JobBody
    idempotency_key: IdempotencyKey | None = None


def list_jobs(desk: Desk, asked: ListJobs) -> Page[JobItem]:
    """One more is read than shown, to know whether there is a next page."""
    rows = store.list_jobs(
        desk.database,
        state=asked.status,
        kind=asked.kind,
        workflow_id=asked.workflow_id,
        before_id=asked.after,
        limit=asked.limit + 1,
    )
    items = [JobItem(**_facts(row)) for row in rows[: asked.limit]]
    return Page(items=items, next=items[-1].job_id if len(rows) > asked.limit else None)


def make_job(desk: Desk, asked: MakeJob) -> Response:
    """Keep it, then wake a worker; the id is told only once it is kept."""
    call = _call(desk, asked.body)
    return keep(desk, planned(desk, call, new_id(), "args"), asked.idempotency_key)


async def get_job(desk: Desk, asked: WaitForJob) -> JobDetail:
    """At once, or as soon as its status changes."""
    job_id = whole_id(asked.job_id, "job")
    return detail(await changed(desk, job_id, asked.seen, asked.wait))


async def stream_job(desk: Desk, asked: OneJob) -> Response:
    """Every change as a server-sent event; the last one has the end."""
    row = await look(desk, whole_id(asked.job_id, "job"))
    return StreamingResponse(_told(desk, row), media_type="text/event-stream")


def cancel_job(desk: Desk, asked: OneJob) -> JobDetail:
    """One that waits is revoked at once, one that runs is told; one that has ended stays so."""
    return _ordered(desk, asked, _cancel)


def pause_job(desk: Desk, asked: OneJob) -> JobDetail:
    """It starts no more; one that runs is told, and comes to rest at its next progress."""
    return _ordered(desk, asked, store.pause)


def resume_job(desk: Desk, asked: OneJob) -> JobDetail:
    """It may start again."""
    return _ordered(desk, asked, store.resume)


def detail(row: JobRow) -> JobDetail:
    """Everything about a job."""
    return JobDetail(
        **_facts(row),
        arguments=Arguments.model_validate_json(row.arguments),
        result=None if row.result is None else orjson.loads(row.result),
        result_ref=row.result_ref,
    )


def _call(desk: Desk, body: JobBody) -> Call:
    """What is to run. Raises Refused for an unknown kind, or arguments that it does not take.

    The kinds that Hookkeeper brings have operations of their own, which check what they are given.
    """
    spec = desk.loaded.jobs.get(body.kind)
    if body.kind in BUILT_IN:
        made_by = _MADE_BY.get(body.kind, "a schedule")
        raise invalid("kind", f"{body.kind!r} is a job that Hookkeeper brings: {made_by} makes it")
    if spec is None:
        nearest = did_you_mean(body.kind, desk.loaded.jobs)
        raise invalid("kind", f"there is no job {body.kind!r}; {nearest}")
    try:
        spec.check_arguments(body.args, body.kwargs)
    except ValueError as error:
        raise invalid("args", str(error)) from None
    return Call(body.kind, tuple(body.args), body.kwargs)


def _cancel(database: Database, job_id: str) -> list[JobChange] | None:
    """Cancel, and tell of what has ended because of it: no worker will."""
    from ingest.jobs.ends import changed_job  # noqa: PLC0415 - it counts, see counting.py

    changes = store.cancel(database, job_id)
    for change in changes or ():
        changed_job(change)
    return changes


def _ordered(
    desk: Desk, asked: OneJob, order: Callable[[Database, str], object | None]
) -> JobDetail:
    """Give an order, which says None where there is no such job."""
    job_id = whole_id(asked.job_id, "job")
    if order(desk.database, job_id) is None:
        raise NotFound(f"there is no job {job_id} (any more)")
    return detail(found_job(desk, job_id))


async def _told(desk: Desk, row: JobRow) -> AsyncIterator[str]:
    """Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    async for change in changes(desk, row):
        if change is None:
            yield ": nothing new\n\n"
        else:
            yield f"event: job\ndata: {detail(change).model_dump_json()}\n\n"


def _facts(row: JobRow) -> dict[str, Any]:
    error = None
    if row.error_code is not None:
        error = ErrorItem(code=row.error_code, message=row.error_message or "")
    own = {
        "job_id": row.id,
        "status": row.state,
        "progress": ProgressItem.model_validate(row.progress),
        "error": error,
        "waits_for": row.remaining,
    }
    same = JobItem.model_fields.keys() - own.keys()
    return own | {name: getattr(row, name) for name in same}


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path=PATH,
        name="list_jobs",
        tag="jobs",
        summary="List jobs, the newest first.",
        asks=ListJobs,
        does=list_jobs,
        answers={200: Page[JobItem]},
    ),
    Operation(
        method="POST",
        path=PATH,
        name="make_job",
        tag="jobs",
        summary="Run one of the jobs that the handler modules define.",
        asks=MakeJob,
        does=make_job,
        answers={202: MadeJob},
        refuses=(409,),
    ),
    Operation(
        method="GET",
        path=PATH + "/{job_id}",
        name="get_job",
        tag="jobs",
        summary="Look at a job, or wait until its status changes.",
        asks=WaitForJob,
        does=get_job,
        answers={200: JobDetail},
        refuses=(404,),
    ),
    Operation(
        method="GET",
        path=PATH + "/{job_id}/stream",
        name="stream_job",
        tag="jobs",
        summary="Follow a job to its end: an event `job`, with what get_job answers, per change.",
        asks=OneJob,
        does=stream_job,
        answers={200: None},
        media_type="text/event-stream",
        refuses=(404,),
    ),
    Operation(
        method="POST",
        path=PATH + "/{job_id}/cancel",
        name="cancel_job",
        tag="jobs",
        summary="Cancel a job: one that waits at once, one that runs as soon as it looks.",
        asks=OneJob,
        does=cancel_job,
        answers={200: JobDetail},
        refuses=(404,),
    ),
    Operation(
        method="POST",
        path=PATH + "/{job_id}/pause",
        name="pause_job",
        tag="jobs",
        summary="Let a job rest until it is resumed.",
        asks=OneJob,
        does=pause_job,
        answers={200: JobDetail},
        refuses=(404,),
    ),
    Operation(
        method="POST",
        path=PATH + "/{job_id}/resume",
        name="resume_job",
        tag="jobs",
        summary="Let a paused job go on.",
        asks=OneJob,
        does=resume_job,
        answers={200: JobDetail},
        refuses=(404,),
    ),
)
