"""The job that writes the daily report: a file, and an event for those who are told of it."""

import os
import re
from datetime import date
from pathlib import Path
from typing import Any

from actors.own_events import own_event
from ingest import report as words
from ingest.config.settings import load_settings
from ingest.event_view import REPORT_TYPE
from ingest.events import Accepted, Arrival, Event
from ingest.jobs.context import JobContext
from ingest.jobs.specs import job
from ingest.store.accept import accept
from ingest.store.ids import made_at
from ingest.store.report import figures

#: Another start of the job does not tell of the same day again.
_ONCE_MS = 7 * 86_400_000
_FILE = re.compile(r"\d{4}-\d\d-\d\d\.html", re.ASCII)


@job(name="report", time_limit=1_800.0)
def report(context: JobContext, *, zone: str, keep: int, told: bool) -> dict[str, Any]:
    """Report the day before, in a time zone, in data/reports; the newest ``keep`` files stay.

    That is the day before the time of the schedule: jobs of several days that were missed are made
    at once, and each is about its own. ``told``: also as an event, which is delivered to those that
    the schedule names.
    """
    # From when the job was made: another start of it means the same day.
    now = made_at(context.job_id)
    fire_at = now if context.fire_at is None else context.fire_at
    day, since, until = words.day_before(fire_at, zone)
    counted = figures(context.database, since, until)
    arrival = own_event(
        REPORT_TYPE,
        words.content(day, zone, counted),
        now,
        once=f"report {day} {zone}",
        for_ms=_ONCE_MS,
    )
    folder = load_settings(os.environ, Path.cwd()).data / "reports"
    written = words.message().write("", [_event(arrival)], 1)
    file = write_file(folder, day, written.html or "", keep)
    event_id = _stored(context, arrival) if told else None
    return {"day": day.isoformat(), "file": str(file), "event_id": event_id}


def write_file(folder: Path, day: date, text: str, keep: int) -> Path:
    """Write a day's file as a whole, and delete what is older than the newest ``keep``."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{day.isoformat()}.html"
    draft = target.with_suffix(f".{os.getpid()}.partial")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    files = sorted(path for path in folder.iterdir() if _FILE.fullmatch(path.name))
    for old in files[:-keep]:
        old.unlink(missing_ok=True)
    return target


def _stored(context: JobContext, arrival: Arrival) -> str:
    """Store the event; the scheduler wakes those who dispatch it."""
    (answer,) = accept(context.database, [arrival])
    if not isinstance(answer, Accepted):
        raise answer
    return answer.event_id


def _event(arrival: Arrival) -> Event:
    """The event as templates take it."""
    return Event(
        id=arrival.event_id,
        source=arrival.source,
        type=arrival.type,
        provider_event_id=None,
        received_at=arrival.received_at,
        headers=(),
        query="",
        content_type=arrival.content_type,
        body=arrival.body,
        trace_id=arrival.trace_id,
    )
