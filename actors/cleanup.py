"""The job that clears away what has long ended beside events: jobs, alerts, schedules' rows."""

from collections.abc import Sequence

from ingest.jobs.context import JobContext
from ingest.jobs.specs import job
from ingest.store import cleanup as store
from ingest.store.schedules import forget

#: Jobs a transaction, so that no other waits long for its turn.
BATCH = 100
_DAY_MS = 86_400_000


@job(name="cleanup", concurrency=1, time_limit=3_600.0)
def cleanup(context: JobContext, *, days: int, schedules: Sequence[str]) -> dict[str, int]:
    """Delete what ended more than ``days`` ago; ``schedules``: the names of those of the file.

    Jobs go with their links, a workflow's only together. What waits, runs or is paused stays, and
    so does whatever fires. Rows of dead workers go elsewhere, when their work is given back.
    Returns how many of each it deleted.
    """
    keep_ms = days * _DAY_MS
    jobs, after = 0, ""
    while True:
        looked = store.forget_jobs(context.database, keep_ms, after, BATCH)
        jobs += looked.forgotten
        context.progress(jobs)
        if looked.last_id is None:
            break
        after = looked.last_id
    return {
        "jobs": jobs,
        "alerts": store.forget_alerts(context.database, keep_ms),
        "schedules": forget(context.database, schedules, keep_ms),
    }
