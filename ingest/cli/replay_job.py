"""The job of ``hookkeeper replay``: made, and followed to its end."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import json
import secrets
import time
from typing import TYPE_CHECKING

from ingest.cli import output
from ingest.cli.exits import CommandFailed
from ingest.cli.progress import bar

if TYPE_CHECKING:
    from ingest.cli.replay import Asked
    from ingest.config.settings import Settings
    from ingest.store import Database
    from ingest.store.job_rows import JobRow

#: Between two looks at the job: each reads one row.
_LOOK_SECONDS = 0.5
_AGAIN = "`hookkeeper jobs show` tells of it."


def made(database: "Database", settings: "Settings", asked: "Asked") -> str:
    """Make the job and wake a worker; return its id."""
    from ingest.errors import BrokerUnavailable
    from ingest.jobs.kinds import Kinds
    from ingest.jobs.workflow import Call, plan
    from ingest.queue import build_broker, publish_jobs
    from ingest.store import bulk_replay

    call = Call("bulk_replay", (), asked.words)
    planned = plan(call, Kinds({}).queue_of, lambda: asked.job_id)
    done = bulk_replay.create(database, planned, asked.total, trace_id=secrets.token_hex(16))
    broker = build_broker(settings.broker_url, [])
    try:
        publish_jobs(broker, done.due)
    except BrokerUnavailable:
        output.note("The broker did not take it: the scheduler starts it, once that is back.")
    finally:
        broker.close()
    return asked.job_id


def follow(database: "Database", job_id: str, total: int) -> dict[str, int]:
    """Tell of the job, and wait for its end; return what it came to.

    Ctrl-C ends the waiting, not the job. Raises CommandFailed where it was cancelled or failed.
    """
    from ingest.jobs.states import FINAL, JobState

    try:
        output.note(f"Job {job_id}: `hookkeeper jobs pause`, `resume` or `cancel` it.")
        with bar("rows") as tell:
            while (row := _look(database, job_id)) is None or row.state not in FINAL:
                tell(0 if row is None else row.progress.done or 0, total)
                time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        raise CommandFailed(f"job {job_id} goes on without you; {_AGAIN}") from None
    if row.state is not JobState.SUCCESS:
        done = f"{row.progress.done or 0:,} of {total:,} were replayed"
        raise CommandFailed(f"job {job_id}: {row.error_message} ({done}) {_AGAIN}")
    result: dict[str, int] = json.loads(row.result or "{}")
    return result


def _look(database: "Database", job_id: str) -> "JobRow | None":
    """Read the job; None while the database is away, for that does not end it."""
    from ingest.errors import NotFound, StoreUnavailable
    from ingest.store.jobs import get_job

    try:
        row = get_job(database, job_id)
    except StoreUnavailable:
        return None
    if row is None:
        raise NotFound(f"there is no job {job_id} (any more)")
    return row
