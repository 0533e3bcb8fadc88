"""Every operation of the console, once."""

from typing import Any

from ingest.console import (
    deliveries,
    destinations,
    events,
    exports,
    health,
    jobs,
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
    *destinations.OPERATIONS,
    *jobs.OPERATIONS,
    *exports.OPERATIONS,
    *replays.OPERATIONS,
    *schedules.OPERATIONS,
)
