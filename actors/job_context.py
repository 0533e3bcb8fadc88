"""A job's context, made from its claim: in a worker, and in a child that runs a suspect."""

from typing import Any

import orjson

from ingest.jobs.context import JobContext, Make, Reference
from ingest.jobs.hooks import Resources
from ingest.jobs.states import ClaimedJob, Returned
from ingest.store import Database


def context_of(
    claimed: ClaimedJob, resources: Resources, database: Database, make: Make
) -> JobContext:
    """Build what the job's function gets first."""
    return JobContext(
        claimed.id,
        claimed.kind,
        attempt=claimed.starts,
        results=[_value(one) for one in claimed.results],
        resources=resources,
        earlier=claimed.earlier,
        fire_at=claimed.fire_at,
        trace_id=claimed.trace_id,
        database=database,
        make=make,
    )


def _value(returned: Returned) -> Any:
    if returned.reference is not None:
        return Reference(returned.reference)
    return None if returned.result is None else orjson.loads(returned.result)
