"""Publishing that may fail: every row has a wake time, so a lost message is only late."""

from collections import Counter
from collections.abc import Sequence

import structlog

from ingest import metrics
from ingest.errors import BrokerUnavailable
from ingest.events import DeliveryRef
from ingest.jobs.states import JobRef
from ingest.queue import DISPATCH, WakeBroker, publish_deliveries, publish_events, publish_jobs

logger = structlog.get_logger(__name__)


def wake_deliveries(broker: WakeBroker, refs: Sequence[DeliveryRef]) -> bool:
    """Publish deliveries; whether the broker took them."""
    if not refs:
        return True
    try:
        publish_deliveries(broker, refs)
    except BrokerUnavailable as error:
        return _count(Counter(ref.queue for ref in refs), error)
    return _count(Counter(ref.queue for ref in refs))


def wake_jobs(broker: WakeBroker, refs: Sequence[JobRef]) -> bool:
    """Publish jobs; whether the broker took them."""
    if not refs:
        return True
    try:
        publish_jobs(broker, refs)
    except BrokerUnavailable as error:
        return _count(Counter(ref.queue for ref in refs), error)
    return _count(Counter(ref.queue for ref in refs))


def wake_events(broker: WakeBroker, ids: Sequence[str]) -> bool:
    """Publish events to be dispatched; whether the broker took them."""
    if not ids:
        return True
    try:
        publish_events(broker, ids)
    except BrokerUnavailable as error:
        return _count({DISPATCH: len(ids)}, error)
    return _count({DISPATCH: len(ids)})


def _count(queues: dict[str, int], error: BrokerUnavailable | None = None) -> bool:
    for queue, count in queues.items():
        metrics.PUBLISHED.labels(queue, "failed" if error else "ok").inc(count)
    if error:
        logger.warning("publish.failed", ids=sum(queues.values()), reason=str(error))
    return error is None
