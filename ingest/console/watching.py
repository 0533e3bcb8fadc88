"""Waiting for a job to change: a long poll for one answer, or a stream of all of them.

The database says what happened, whichever process did it, so it is asked again and again; a
request that waits holds no thread meanwhile.
"""

import asyncio
import functools
import time
from collections.abc import AsyncIterator

import anyio.to_thread

from ingest.console.desk import Desk
from ingest.errors import NotFound, StoreUnavailable
from ingest.jobs.states import FINAL, JobState
from ingest.store.job_rows import JobRow
from ingest.store.jobs import get_job

#: Short enough that a person sees no delay; each look reads one row by its key.
LOOK_SECONDS = 0.25
#: A proxy may end a connection on which nothing comes for a minute.
SILENT_SECONDS = 15.0


def found_job(desk: Desk, job_id: str) -> JobRow:
    """One job. Raises NotFound. Not for the event loop."""
    row = get_job(desk.database, job_id)
    if row is None:
        raise NotFound(f"there is no job {job_id} (any more)")
    return row


async def look(desk: Desk, job_id: str) -> JobRow:
    """One job, for the event loop. Raises NotFound."""
    return await anyio.to_thread.run_sync(
        functools.partial(found_job, desk, job_id), limiter=desk.threads
    )


async def changed(desk: Desk, job_id: str, seen: JobState | None, seconds: float) -> JobRow:
    """The job once its state is not ``seen`` (None: what it is now), it has ended, or time is up.

    Raises NotFound.
    """
    deadline = time.monotonic() + seconds
    row = await look(desk, job_id)
    seen = seen or row.state
    while row.state is seen and row.state not in FINAL and time.monotonic() < deadline:
        await asyncio.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
        row = await look(desk, job_id)
    return row


async def changes(desk: Desk, row: JobRow) -> AsyncIterator[JobRow | None]:
    """The job as it is, and again after every change of state or progress, until it has ended.

    None where nothing has changed for a while. A database that is away is waited for; a job that
    is deleted meanwhile ends it.
    """
    yield row
    told_at = time.monotonic()
    while row.state not in FINAL:
        await asyncio.sleep(LOOK_SECONDS)
        before = row
        try:
            row = await look(desk, row.id)
        except StoreUnavailable:
            pass
        except NotFound:
            return
        if _shown(row) != _shown(before):
            yield row
        elif time.monotonic() - told_at >= SILENT_SECONDS:
            yield None
        else:
            continue
        told_at = time.monotonic()


def _shown(row: JobRow) -> object:
    """What is worth telling of a job."""
    return (row.state, row.progress, row.attempts, row.paused_at, row.cancel_requested_at)
