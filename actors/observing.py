"""What the workers tell: one wide log line for each event dispatched, attempt made and job ended.

Ids, names and numbers only; never a body, a header or a secret.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import structlog

from ingest import logs, metrics
from ingest.events import AttemptOutcome, Claimed, Event, Settled, Target
from ingest.jobs.states import ClaimedJob, JobState, SettledJob

logger = structlog.get_logger(__name__)


def attempted(destination: str, attempts: Sequence[tuple[Claimed, Settled]]) -> None:
    """Tell of attempts that have been recorded, all of one destination."""
    seconds = metrics.ATTEMPT_SECONDS.labels(destination)
    time_to_deliver = metrics.TIME_TO_DELIVER_SECONDS.labels(destination)
    outcomes = Counter(settled.result.outcome for _, settled in attempts)
    for outcome, count in outcomes.items():
        metrics.ATTEMPTS.labels(destination, outcome).inc(count)
    seconds.observe_all([(one.finished_at - one.started_at) / 1_000 for _, one in attempts])
    ages = [
        settled.finished_at - delivery.event.received_at
        for delivery, settled in attempts
        if settled.result.outcome is AttemptOutcome.SUCCEEDED
    ]
    time_to_deliver.observe_all([max(0, age) / 1_000 for age in ages])
    with logs.together():
        for delivery, settled in attempts:
            _tell_attempt(delivery, settled)


def _tell_attempt(delivery: Claimed, settled: Settled) -> None:
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
        duration_ms=settled.finished_at - settled.started_at,
        wait_ms=delivery.waited_ms,
        wake_at=settled.wake_at,
    )


def claimed(deliveries: Sequence[Claimed]) -> None:
    """Count how long deliveries waited between being due and being claimed."""
    for queue in {delivery.queue for delivery in deliveries}:
        waits = [max(0, one.waited_ms) / 1_000 for one in deliveries if one.queue == queue]
        metrics.WAIT_SECONDS.labels(queue).observe_all(waits)


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


def dispatched(plans: Sequence[tuple[Event, Sequence[Target]]]) -> None:
    """Tell of events whose routing has been committed."""
    counts = Counter(
        (event.source, "dispatched" if targets else "unmatched") for event, targets in plans
    )
    for labels, count in counts.items():
        metrics.DISPATCHED.labels(*labels).inc(count)
    with logs.together():
        for event, targets in plans:
            logger.info(
                "event.dispatched" if targets else "event.unmatched",
                event_id=event.id,
                trace_id=event.trace_id,
                source=event.source,
                type=event.type,
                destinations=[target.destination for target in targets],
            )
