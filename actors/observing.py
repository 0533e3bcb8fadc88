"""What the workers tell: one wide log line for each event dispatched, attempt made and job ended.

Ids, names and numbers only; never a body, a header or a secret.
"""

from collections.abc import Iterable, Mapping, Sequence

import structlog

from ingest import metrics
from ingest.events import AttemptOutcome, Claimed, Event, Settled
from ingest.jobs.states import ClaimedJob, JobState, SettledJob

logger = structlog.get_logger(__name__)


def attempted(claimed: Mapping[str, Claimed], settled: Settled) -> None:
    """Tell of an attempt that has been recorded."""
    delivery = claimed[settled.delivery_id]
    duration_ms = settled.finished_at - settled.started_at
    metrics.ATTEMPTS.labels(delivery.destination, settled.result.outcome).inc()
    metrics.ATTEMPT_SECONDS.labels(delivery.destination).observe(duration_ms / 1_000)
    if settled.result.outcome is AttemptOutcome.SUCCEEDED:
        age = settled.finished_at - delivery.event.received_at
        metrics.TIME_TO_DELIVER_SECONDS.labels(delivery.destination).observe(max(0, age) / 1_000)
    logger.info(
        "delivery.attempted",
        event_id=delivery.event.id,
        trace_id=delivery.event.trace_id,
        delivery_id=delivery.delivery_id,
        source=delivery.event.source,
        destination=delivery.destination,
        outcome=settled.result.outcome,
        code=settled.result.code,
        state=settled.state,
        attempt=delivery.attempts + 1,
        duration_ms=duration_ms,
        wait_ms=delivery.waited_ms,
        wake_at=settled.wake_at,
    )


def claimed(deliveries: Sequence[Claimed]) -> None:
    """Count how long deliveries waited between being due and being claimed."""
    for delivery in deliveries:
        metrics.WAIT_SECONDS.labels(delivery.queue).observe(max(0, delivery.waited_ms) / 1_000)


def known_jobs(kinds: Iterable[str]) -> None:
    """Let the counters of these begin at zero: a rate does not see the first of a new counter."""
    for kind in kinds:
        for state in JobState:
            metrics.JOBS.labels(kind, state)


def claimed_job(job: ClaimedJob) -> None:
    """Count how long a job waited between being due and being claimed."""
    metrics.JOB_WAIT_SECONDS.labels(job.kind).observe(job.waited_ms / 1_000)


def ended_job(job: ClaimedJob, settled: SettledJob, state: JobState) -> None:
    """Tell of a start of a job whose outcome has been recorded, and the state it led to."""
    duration_ms = max(0, settled.finished_at - job.started_at)
    metrics.JOBS.labels(job.kind, state).inc()
    metrics.JOB_DURATION_SECONDS.labels(job.kind).observe(duration_ms / 1_000)
    logger.info(
        "job.ended",
        job_id=job.id,
        trace_id=job.trace_id,
        kind=job.kind,
        outcome=settled.result.outcome,
        code=settled.result.code,
        state=state,
        attempt=job.attempts + 1,
        duration_ms=duration_ms,
        wait_ms=job.waited_ms,
        wake_at=settled.wake_at,
    )


def dispatched(event: Event, destinations: list[str]) -> None:
    """Tell of an event whose routing has been committed."""
    outcome = "dispatched" if destinations else "unmatched"
    metrics.DISPATCHED.labels(event.source, outcome).inc()
    logger.info(
        "event.dispatched" if destinations else "event.unmatched",
        event_id=event.id,
        trace_id=event.trace_id,
        source=event.source,
        type=event.type,
        destinations=destinations,
    )
