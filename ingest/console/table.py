"""Every operation of the console, once."""

from typing import Any

from ingest.console import (
    deliveries,
    destinations,
    events,
    exports,
    health,
    jobs,
    providers,
    rejected,
    replays,
    schedules,
    sources,
)
from ingest.console.operations import Operation

OPERATIONS: tuple[Operation[Any], ...] = (
    *health.OPERATIONS,
    *events.OPERATIONS,
    *deliveries.OPERATIONS,
    *sources.OPERATIONS,
    *providers.OPERATIONS,
    *destinations.OPERATIONS,
    *jobs.OPERATIONS,
    *exports.OPERATIONS,
    *replays.OPERATIONS,
    *rejected.OPERATIONS,
    *schedules.OPERATIONS,
)
