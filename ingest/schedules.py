"""When a schedule fires: cron expressions with time zones, intervals, and what was missed. Pure.

Cron is read and stepped by cronsim, as Debian's cron does it: a time that a clock change skips
fires right after the gap, one that it repeats fires once; 0 and 7 are Sunday; a day of the month
and a day of the week that are both given are alternatives. Intervals count from the epoch, so every
scheduler finds the same moments.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

#: A moment that is this late was missed: no scheduler ran, or the machine slept.
MISSED_MS = 60_000
#: Of one schedule at once; the rest comes with the next look.
MOST_AT_ONCE = 1_000
_SHORTEST_MS = 1_000
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

    def after(self, moment: int) -> Iterator[int]:
        """Every moment (ms) after this one, in order."""
        return count(moment - moment % self.interval_ms + self.interval_ms, self.interval_ms)

    def last_until(self, moment: int) -> int | None:
        """The last moment up to and including this one (ms)."""
        return moment - moment % self.interval_ms


Times = Cron | Every


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
    try:
        named = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'{zone!r} is no time zone; write one as "Europe/Berlin"') from None
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


def _between(times: Times, since: int, until: int) -> tuple[int, ...]:
    come = takewhile(lambda moment: moment <= until, times.after(since))
    return tuple(islice(come, MOST_AT_ONCE))
