"""What a schedule is and when it fires: cron with time zones, intervals, what was missed. Pure.

Cron is read and stepped by cronsim, as Debian's cron does it: a time that a clock change skips
fires right after the gap, one that it repeats fires once; 0 and 7 are Sunday; a day of the month
and a day of the week that are both given are alternatives. Intervals count from the epoch, so every
scheduler finds the same moments.
"""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice, takewhile
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from cronsim import CronSim, CronSimError

from ingest.config.durations import format_duration
from ingest.jobs.workflow import Call

#: A moment that is this late was missed: no scheduler ran, or the machine slept.
MISSED_MS = 60_000
#: Of one schedule at once, in one transaction; the rest comes with the next look.
MOST_AT_ONCE = 100
_SHORTEST_MS = 1_000
T = TypeVar("T")
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")


class CatchUp(enum.StrEnum):
    """What to do about moments that were missed: nothing, one job for all of them, or one each."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, in a time zone."""

    expression: str
    zone: ZoneInfo

    def __str__(self) -> str:
        """Spell it for people."""
        return self.expression

    def after(self, moment: int) -> Iterator[int]:
        """Every moment (ms) after this one, in order."""
        start = datetime.fromtimestamp(moment // 1_000, self.zone)
        return (int(found.timestamp()) * 1_000 for found in CronSim(self.expression, start))

    def last_until(self, moment: int) -> int | None:
        """The last moment up to and including this one (ms)."""
        start = datetime.fromtimestamp(moment // 1_000 + 1, self.zone)
        found = next(CronSim(self.expression, start, reverse=True), None)
        return None if found is None else int(found.timestamp()) * 1_000


@dataclass(frozen=True, slots=True)
class Every:
    """An interval in ms."""

    interval_ms: int

    def __str__(self) -> str:
        """Spell it for people."""
        return f"every {format_duration(self.interval_ms)}"

    def after(self, moment: int) -> Iterator[int]:
        """Every moment (ms) after this one, in order."""
        return count(moment - moment % self.interval_ms + self.interval_ms, self.interval_ms)

    def last_until(self, moment: int) -> int | None:
        """The last moment up to and including this one (ms)."""
        return moment - moment % self.interval_ms


Times = Cron | Every


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


class WrongTimes(ValueError):
    """What is to say when a schedule fires does not; ``key`` names which word of it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True, slots=True)
class Due:
    """Moments that are each to have a job, and until when all are seen to (ms)."""

    moments: tuple[int, ...]
    until: int


def cron(expression: str, zone: str = "UTC") -> Cron:
    """Read a cron expression. Raises ValueError that names the field, or the zone."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f"{expression!r} has {len(parts)} fields; cron has five: {', '.join(_FIELDS)}. "
            '"0 2 * * *" is every day at 02:00'
        )
    named = _zone(zone)
    try:
        next(CronSim(expression, datetime.now(UTC)))
    except CronSimError as error:
        raise ValueError(f"{expression!r}: {str(error).lower()}") from None
    except StopIteration:
        raise ValueError(f"{expression!r} never comes: no month has such a day") from None
    return Cron(expression, named)


def every(interval_ms: int) -> Every:
    """Take an interval. Raises ValueError below a second."""
    if interval_ms < _SHORTEST_MS:
        raise ValueError("an interval is at least a second")
    return Every(interval_ms)


def times_of(expression: str | None, interval_ms: int | None, zone: str | None) -> Times:
    """Read when a schedule fires, from a cron expression or an interval. Raises WrongTimes."""
    if expression is None and interval_ms is None:
        raise WrongTimes("cron", 'is missing; write cron = "0 2 * * *", or every = "15m"')
    if expression is not None and interval_ms is not None:
        raise WrongTimes("every", "is another answer to when; write cron or every, not both")
    if interval_ms is not None:
        if zone is not None:
            raise WrongTimes("zone", "is for cron; an interval is the same in every zone")
        return _named("every", lambda: every(interval_ms))
    _named("zone", lambda: _zone("UTC" if zone is None else zone))
    return _named("cron", lambda: cron(expression or "", zone or "UTC"))


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


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'{name!r} is no time zone; write one as "Europe/Berlin"') from None


def _named(key: str, read: Callable[[], T]) -> T:
    """Read a part; let its error name it."""
    try:
        return read()
    except ValueError as error:
        raise WrongTimes(key, str(error)) from None


def _between(times: Times, since: int, until: int) -> tuple[int, ...]:
    come = takewhile(lambda moment: moment <= until, times.after(since))
    return tuple(islice(come, MOST_AT_ONCE))
