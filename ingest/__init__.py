"""Hookkeeper's receiver and everything its processes share.

An event's path, module by module: ``receive`` reads it, ``verify`` proves it, ``writer`` and
``store`` keep it, ``queue`` wakes the workers, ``actors.dispatch`` routes it, and
``actors.deliver`` and ``actors.process`` bring it to its destinations.

This package never imports ``actors``. For users: ``from ingest import Event, Permanent, on``.
"""

from ingest.errors import Permanent
from ingest.events import Event
from ingest.handlers import on

__all__ = ["Event", "Permanent", "on"]
__version__ = "0.1.0"
