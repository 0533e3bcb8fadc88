"""``python -m actors.trial NAME``: makes one attempt at a destination and prints what came of it.

What ``hookkeeper destinations test`` runs. Nothing is stored and no pipeline has to run: the
event is made up, and goes the way of a real one from here on.
"""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import orjson
import uuid_utils

from actors import alone
from actors.batch import now_ms
from actors.middleware.limits import Limits
from ingest import logs
from ingest.config.mistakes import did_you_mean
from ingest.config.settings import load_settings
from ingest.config.snapshot import Loaded, Snapshot
from ingest.errors import ConfigError
from ingest.event_view import OWN_SOURCE
from ingest.events import AttemptResult, Claimed, DestinationKind, Event
from ingest.verify.catalogue import load_catalogue


def run(loaded: Loaded, name: str) -> AttemptResult:
    """Send a test event to a destination of the configuration, under its own limits."""
    destination = loaded.config.destinations[name]
    limits = Limits()
    limits.start()
    try:
        return alone.run(loaded, _claimed(name, destination.kind, destination.queue), limits)
    finally:
        limits.stop()


def _claimed(name: str, kind: DestinationKind, queue: str) -> Claimed:
    """A delivery that no database knows."""
    now = now_ms()
    summary = f"This is a test of the destination {name}. It works."
    event = Event(
        id=str(uuid_utils.uuid7()),
        source=OWN_SOURCE,
        type="test",
        provider_event_id=None,
        received_at=now,
        headers=(),
        query="",
        content_type="application/json",
        body=orjson.dumps({"summary": summary}),
        trace_id=os.urandom(16).hex(),
    )
    return Claimed(
        delivery_id=str(uuid_utils.uuid7()),
        event=event,
        destination=name,
        kind=kind,
        queue=queue,
        generation=0,
        starts=1,
        attempts=0,
        crashes=0,
        created_at=now,
        started_at=now,
        waited_ms=0,
    )


def main(name: str) -> None:
    """Print the result as one line of JSON. Raises SystemExit for a wrong configuration or name."""
    try:
        settings = load_settings(os.environ, Path.cwd())
        logs.configure(settings.log_level, settings.log_format, sys.stderr.buffer)
        loaded = Snapshot(settings.config_path, os.environ, load_catalogue()).current
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    if name not in loaded.config.destinations:
        hint = did_you_mean(name, loaded.config.destinations)
        raise SystemExit(f"there is no destination {name!r}; {hint}")
    sys.stdout.buffer.write(orjson.dumps(asdict(run(loaded, name))) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
