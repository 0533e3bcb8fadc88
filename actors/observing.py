"""What the workers tell: one wide log line for each event dispatched and each attempt made.

Ids, names and numbers only; never a body, a header or a secret.
"""

from collections.abc import Mapping, Sequence

import structlog

from ingest import metrics
from ingest.events import AttemptOutcome, Claimed, Event, Settled

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
