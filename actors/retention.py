"""The job that forgets events: each source's after its own time, in small batches."""

import time
from collections.abc import Mapping

from ingest.jobs.context import JobContext
from ingest.jobs.specs import job
from ingest.store import retention as store
from ingest.store.rejected import forget_rejected

#: Events a look: what else is due in the database never waits long behind it.
BATCH = 100
#: What is left then waits for the next run, so that none meets the one before.
LONGEST_SECONDS = 540.0
_DAY_MS = 86_400_000


@job(name="retention", concurrency=1, time_limit=2 * LONGEST_SECONDS)
def retention(context: JobContext, *, days: int, by_source: Mapping[str, int]) -> dict[str, int]:
    """Delete events that are done and older than ``days``, or than their source's own.

    Rejected requests know their own end. Returns how many events, repeated requests, dedupe keys
    and rejected requests it forgot.
    """
    keep = {source: own * _DAY_MS for source, own in by_source.items()}
    events = duplicates = dedupe_keys = rejected = 0
    ends_at = time.monotonic() + LONGEST_SECONDS
    while True:
        pruned = store.prune(context.database, keep, days * _DAY_MS, BATCH)
        events += pruned.events
        duplicates += pruned.duplicates
        dedupe_keys += pruned.dedupe_keys
        ended = forget_rejected(context.database, BATCH)
        rejected += ended
        context.progress(events)
        full = BATCH in {pruned.events, pruned.duplicates, pruned.dedupe_keys, ended}
        if not full or time.monotonic() >= ends_at:
            return {
                "events": events,
                "duplicates": duplicates,
                "dedupe_keys": dedupe_keys,
                "rejected": rejected,
            }
