"""A scheduler: publishes what is due, frees what died, and may die between any two steps."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.store import job_claims, wake, workers

if TYPE_CHECKING:
    from ops.torture.simulation.world import World

LIMIT = 50


def ticks(world: "World") -> Iterator[None]:
    """Tick for ever; each ``yield`` is between a commit and the publishing of what it took."""
    while True:
        events = wake.due_events(world.database, LIMIT)
        yield
        world.wire.publish_events(events)
        deliveries = wake.due_deliveries(world.database, LIMIT)
        yield
        world.wire.publish_deliveries(deliveries)
        jobs = wake.due_jobs(world.database, LIMIT)
        yield
        world.wire.publish_jobs(jobs)
        freed = workers.free_expired(world.database, LIMIT)
        yield
        world.wire.publish_deliveries(freed)
        freed_jobs = job_claims.free_expired(world.database, LIMIT)
        yield
        world.wire.publish_jobs(freed_jobs.due)
