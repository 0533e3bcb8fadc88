"""``hookkeeper jobs``: work that was asked for, how far it is, and putting an end to it."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.cli import output
from ingest.cli.events import Limit
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.jobs.states import Progress
    from ingest.store import Database
    from ingest.store.job_rows import JobRow

JobId = Annotated[str, typer.Argument(help="The job's id.")]


def list_(
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only pending, started, progress, success, failure or revoked."),
    ] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List the newest jobs."""
    from ingest.cli.located import located_database
    from ingest.jobs.states import JobState
    from ingest.store.jobs import list_jobs

    if status is not None and status not in list(JobState):
        raise CommandFailed(
            f"there is no status {status!r}: use {', '.join(JobState)}.", Exit.USAGE
        )
    state = None if status is None else JobState(status)
    with located_database() as database:
        rows = list_jobs(database, kind=kind, state=state, limit=limit)
    if as_json:
        output.document([_told(row) for row in rows])
        return
    output.table(
        ("id", "made", "kind", "status", "progress", "error"),
        [
            (
                row.id,
                output.moment(row.created_at),
                row.kind,
                _status(row),
                _progress(row.progress),
                _error(row),
            )
            for row in rows
        ],
        spare=("error", "made", "progress", "kind"),
    )
    if not rows:
        output.note("No jobs.")


def show(job: JobId, as_json: Json = False) -> None:
    """Show one job: how far it is, and what came of it."""
    from ingest.cli.located import located_database

    with located_database() as database:
        row = _found(database, job)
    if as_json:
        output.document(_told(row))
        return
    facts = {
        "job": row.id,
        "kind": row.kind,
        "status": _status(row),
        "progress": _progress(row.progress),
        "arguments": row.arguments,
        "result": row.result_ref or row.result,
        "error": _error(row),
        "attempts": row.attempts,
        "crashes": row.crashes,
        "made": output.moment(row.created_at),
        "started": output.moment(row.started_at),
        "next try": output.moment(row.wake_at),
        "ended": output.moment(row.finished_at),
        "workflow": row.workflow_id,
        "schedule": row.schedule,
        "trace": row.trace_id,
    }
    for name, value in facts.items():
        if value not in (None, ""):
            print(f"{name:<10} {output.printable(value)}")


def cancel(job: JobId, as_json: Json = False) -> None:
    """Cancel a job: one that waits at once, one that runs as soon as it looks."""
    _order(job, _cancel, as_json=as_json)


def pause(job: JobId, as_json: Json = False) -> None:
    """Let a job rest until it is resumed."""
    from ingest.store import jobs

    _order(job, jobs.pause, as_json=as_json)


def resume(job: JobId, as_json: Json = False) -> None:
    """Let a paused job go on."""
    from ingest.store import jobs

    _order(job, jobs.resume, as_json=as_json)


def _cancel(database: "Database", job: str) -> None:
    """Cancel, and count what has ended because of it: no worker will."""
    from ingest import exposition
    from ingest.cli.located import located_settings
    from ingest.store import jobs

    if changes := jobs.cancel(database, job):
        exposition.prepare(located_settings().data / "metrics")
        from ingest.jobs.ends import count  # counts where prepare says

        for change in changes:
            count(change)


def _order(job: str, order: Callable[["Database", str], object], *, as_json: bool) -> None:
    """Give an order, and say where the job stands now."""
    from ingest.cli.located import located_database

    with located_database() as database:
        order(database, job)
        row = _found(database, job)
    if as_json:
        output.document(_told(row))
    else:
        print(f"{row.id} is {_status(row)}.")


def _found(database: "Database", job: str) -> "JobRow":
    from ingest.errors import NotFound
    from ingest.store.jobs import get_job

    row = get_job(database, job)
    if row is None:
        raise NotFound(f"there is no job {job} (any more)")
    return row


def _told(row: "JobRow") -> dict[str, Any]:
    """A job for programs, in the words of the console's API."""
    told: dict[str, Any] = output.plain(row)
    told |= {
        "job_id": told.pop("id"),
        "status": told.pop("state"),
        "arguments": json.loads(row.arguments),
        "result": None if row.result is None else json.loads(row.result),
    }
    return told


def _status(row: "JobRow") -> str:
    from ingest.jobs.states import FINAL, HELD

    if row.state in FINAL:
        return str(row.state)
    if row.cancel_requested_at is not None:
        return f"{row.state}, to be cancelled"
    if row.paused_at is not None:
        return f"{row.state}, to be paused" if row.state in HELD else "paused"
    return str(row.state)


def _progress(progress: "Progress") -> str:
    count = ""
    if progress.done is not None:
        count = f"{progress.done:,}"
        if progress.total is not None:
            count += f" of {progress.total:,}"
    return " ".join(part for part in (progress.step, count, progress.message) if part)


def _error(row: "JobRow") -> str:
    return f"{row.error_code or ''} {row.error_message or ''}".strip()
