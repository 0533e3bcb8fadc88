"""Hookkeeper's receiver and everything its processes share.

An event's path, module by module: ``receive`` reads it, ``verify`` proves it, ``writer`` and
``store`` keep it, ``queue`` wakes the workers, ``actors.dispatch`` routes it, and
``actors.deliver`` and ``actors.process`` bring it to its destinations.

This package never imports ``actors``. For users: ``from ingest import Event, Permanent, on``, and
for background jobs ``job``, ``schedule``, ``enqueue`` and what else stands below.
"""

from typing import TYPE_CHECKING, Any

from ingest.errors import Permanent
from ingest.events import Event
from ingest.handlers import on
from ingest.jobs.context import Cancelled, JobContext, Paused, Reference, SoftTimeLimit
from ingest.jobs.hooks import on_shutdown, on_startup
from ingest.jobs.specs import job
from ingest.jobs.workflow import chain, chord, group

if TYPE_CHECKING:
    from ingest.jobs.enqueuing import enqueue
    from ingest.jobs.marked_schedules import schedule

__all__ = [
    "Cancelled",
    "Event",
    "JobContext",
    "Paused",
    "Permanent",
    "Reference",
    "SoftTimeLimit",
    "chain",
    "chord",
    "enqueue",
    "group",
    "job",
    "on",
    "on_shutdown",
    "on_startup",
    "schedule",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what is dear when it is asked for: the database's library, the one that reads cron."""
    if name == "enqueue":
        from ingest.jobs.enqueuing import enqueue  # noqa: PLC0415 - see above

        return enqueue
    if name == "schedule":
        from ingest.jobs.marked_schedules import schedule  # noqa: PLC0415 - see above

        return schedule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
