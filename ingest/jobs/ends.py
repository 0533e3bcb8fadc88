"""Ends of jobs that no start of theirs came to: counted and logged, each once, by who wrote them.

What a worker started, it tells of itself (``actors/observing.py``). Imported once
``exposition.prepare`` was called, as is everything that counts.
"""

import structlog

from ingest import metrics
from ingest.jobs.states import JobChange

logger = structlog.get_logger(__name__)


def changed_job(change: JobChange) -> None:
    """Tell of a job that was lost with its worker, cancelled while it waited, or revoked for that.

    What was lost may be tried again: then its state is pending.
    """
    count(change)
    logger.info(
        "job.ended",
        job_id=change.id,
        trace_id=change.trace_id,
        kind=change.kind,
        code=change.code,
        state=change.state,
    )


def count(change: JobChange) -> None:
    """Count it, for Prometheus."""
    metrics.JOBS.labels(change.kind, change.state).inc()
