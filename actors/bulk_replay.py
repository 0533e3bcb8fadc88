"""The job that replays everything that a filter and a range mean, at its pace, to the last row.

Nothing is kept here: each page leaves in the database how far it is. So a start may end anywhere,
and the job gives its thread back after each turn, and where its pace makes it wait.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from ingest.errors import Permanent, StoreUnavailable
from ingest.events import DestinationKind, Target
from ingest.filters import Refused, spelled
from ingest.jobs.context import JobContext
from ingest.jobs.specs import job
from ingest.replaying import Replay, read_replay
from ingest.store import bulk_replay as store
from ingest.store.bulk_replay import Standing
from ingest.store.filtering import stored_sources
from ingest.store.ids import made_at

logger = structlog.get_logger(__name__)

#: Of one turn: other jobs may be waiting for the thread.
TURN_SECONDS = 20.0
#: A longer wait for the pace is not waited in the thread.
PATIENCE_SECONDS = 2.0
#: Between two looks at what somebody wants of the job.
_LOOK_SECONDS = 1.0
#: A database that is away costs no try of a job that may take days.
_AWAY_SECONDS = 5.0


@job(name="bulk_replay")
def bulk_replay(
    context: JobContext,
    *,
    dataset: str = "events",
    source: str | None = None,
    types: Sequence[str] = (),
    state: str | None = None,
    destination: str | None = None,
    since: str | None = None,
    until: str | None = None,
    target: Mapping[str, Any] | None = None,
    rate: float | None = None,
) -> dict[str, int]:
    """Replay rows; the words are those of ``hookkeeper replay``, ``target`` is a Target's fields.

    Returns how many matched when it was made, how many were replayed, and how many were not: they
    were forgotten meanwhile, or replayed by somebody else.
    """
    try:
        replay = read_replay(
            dataset=dataset,
            source=source,
            types=types,
            state=state,
            destination=destination,
            since=since,
            until=until,
            target=None if target is None else _target(target),
            rate=rate,
            sources=_sources(context, source),
            # From when the job was made: another start of it must mean the same rows.
            now=made_at(context.job_id),
        )
        return _figures(_turn(context, replay))
    except Refused as refused:
        raise Permanent(str(refused)) from None
    except StoreUnavailable as error:
        logger.warning("replay.waits_for_database", error=str(error))
        context.rest(_AWAY_SECONDS)


def _turn(context: JobContext, replay: Replay) -> Standing:
    """Do pages until the turn is over, or nothing is left: then how it stands at its end."""
    ends_at = time.monotonic() + TURN_SECONDS
    standing = store.begin(context.database, context.job_id, replay)
    while not standing.finished:
        _tell(context, standing)
        found = store.advance(context.database, context.job_id, context.attempt, replay)
        if found is None:  # somebody wants it to stop, which it is told in a moment
            _wait(context, _LOOK_SECONDS, ends_at)
            continue
        standing = found
        if not standing.finished:
            _wait(context, standing.wait_ms / 1_000, ends_at)
    _tell(context, standing)
    return standing


def _wait(context: JobContext, seconds: float, ends_at: float) -> None:
    if seconds > PATIENCE_SECONDS or time.monotonic() >= ends_at:
        context.rest(seconds)
    time.sleep(min(seconds, _LOOK_SECONDS))


def _tell(context: JobContext, standing: Standing) -> None:
    reached = f"up to {spelled(made_at(standing.after_id))}" if standing.after_id else None
    context.progress(standing.done, standing.total, step="replaying", message=reached)


def _sources(context: JobContext, source: str | None) -> set[str]:
    """Return the sources there are; one that is replayed may be forgotten on the way."""
    began = source is not None and context.earlier.total is not None
    return stored_sources(context.database) | ({str(source)} if began else set())


def _target(fields: Mapping[str, Any]) -> Target:
    try:
        return Target(**{**fields, "kind": DestinationKind(fields["kind"])})
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("target", f"is none: {error}") from None


def _figures(done: Standing) -> dict[str, int]:
    skipped = max(0, done.total - done.done)
    return {"matched": done.total, "replayed": done.done, "skipped": skipped}
