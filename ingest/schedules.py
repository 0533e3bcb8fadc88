"""What a schedule is, and which of its moments are to have a job, missed ones too. Pure."""

import enum
from dataclasses import dataclass
from itertools import islice, takewhile

import orjson

from ingest.jobs.workflow import Call
from ingest.times import Cron, Times, times_of

#: A moment that is this late was missed: no scheduler ran, or the machine slept.
MISSED_MS = 60_000
#: Of one schedule at once, in one transaction; the rest comes with the next look.
MOST_AT_ONCE = 100


class CatchUp(enum.StrEnum):
    """What to do about moments that were missed: nothing, one job for all of them, or one each."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job that is made again and again; ``call.queue`` is that of its kind."""

    name: str
    call: Call
    times: Times
    catch_up: CatchUp = CatchUp.ONCE

    @property
    def zone(self) -> str:
        """The time zone that it goes by; an interval goes by none."""
        return self.times.zone.key if isinstance(self.times, Cron) else ""


@dataclass(frozen=True, slots=True)
class Due:
    """Moments that are each to have a job, and until when all are seen to (ms)."""

    moments: tuple[int, ...]
    until: int


def due(times: Times, catch_up: CatchUp, since: int, now: int) -> Due:
    """Find the moments after ``since``, until ``now``, that are each to have a job.

    What was missed goes by ``catch_up``; what has just come always counts.
    """
    missed_until = max(since, now - MISSED_MS)
    if catch_up is CatchUp.ALL:
        found = _between(times, since, now)
        return Due(found, found[-1] if len(found) == MOST_AT_ONCE else now)
    fresh = _between(times, missed_until, now)
    last = times.last_until(missed_until) if catch_up is CatchUp.ONCE else None
    missed = (last,) if last is not None and last > since else ()
    return Due((*missed, *fresh), now)


def to_json(schedule: Schedule) -> str:
    """Write a schedule down, but its name."""
    call, times = schedule.call, schedule.times
    said: dict[str, object] = {
        "kind": call.kind,
        "args": list(call.args),
        "kwargs": call.kwargs,
        "queue": call.queue,
        "catch_up": schedule.catch_up,
    }
    if isinstance(times, Cron):
        said |= {"cron": times.expression, "zone": times.zone.key}
    else:
        said["every_ms"] = times.interval_ms
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()


def from_json(name: str, text: str) -> Schedule:
    """Read a schedule that was written down. Raises ValueError for what is none."""
    said = orjson.loads(text)
    try:
        call = Call(said["kind"], tuple(said["args"]), said["kwargs"], said["queue"])
        catch_up = CatchUp(said["catch_up"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"schedule {name}: no {error}") from None
    times = times_of(said.get("cron"), said.get("every_ms"), said.get("zone"))
    return Schedule(name, call, times, catch_up)


def _between(times: Times, since: int, until: int) -> tuple[int, ...]:
    come = takewhile(lambda moment: moment <= until, times.after(since))
    return tuple(islice(come, MOST_AT_ONCE))
