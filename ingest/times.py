"""When a schedule fires: a cron expression in a time zone, or an interval. Pure.

Expressions are read, and stepped over a clock on the wall, by cronsim. What moments a wall clock
means is worked out here, as Debian's cron has it (cron(8), "daylight saving time"):

* Where minute and hour are given, a time that a clock change skips fires right after the gap, and
  one that it repeats fires once, the first time.
* Where either begins with ``*``, what counts is what the clock shows: nothing fires for the times
  that are skipped, and what comes twice fires twice.

0 and 7 are Sunday; a day of the month and a day of the week that are both given are alternatives.
Intervals count from the epoch, so every scheduler finds the same moments.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from ingest.config.durations import format_duration

_SHORTEST_MS = 1_000
#: No clock was ever set back by more, in seconds (tzdata since 1970).
_FURTHEST_BACK = 86_400
_MINUTE = timedelta(minutes=1)
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
T = TypeVar("T")


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
        second = moment // 1_000
        # Before the clock is set back it shows what it shows again later, and less than that.
        offset = min(self._offset(second), self._offset(second + _FURTHEST_BACK))
        found = self._moments(second + offset)
        return (one * 1_000 for one in found if one > second)

    def last_until(self, moment: int) -> int | None:
        """The last moment up to and including this one (ms)."""
        second = moment // 1_000
        offset = max(self._offset(second), self._offset(second - _FURTHEST_BACK))
        found = self._moments(second + offset + 1, back=True)
        return next((one * 1_000 for one in found if one <= second), None)

    def _moments(self, wall: int, *, back: bool = False) -> Iterator[int]:
        """The moments (s), each once and in order, from what a wall clock shows on, or back."""
        if self._by_the_clock:
            readings = [self._read(wall, fold, back=back) for fold in (0, 1)]
        else:
            readings = [self._read(wall, 0, back=back)]
        return (one for one, _ in groupby(heapq.merge(*readings, reverse=back)))

    def _read(self, wall: int, fold: int, *, back: bool) -> Iterator[int]:
        """The moments (s), ``fold``: of a time that comes twice the first (0) or the second (1)."""
        shown = datetime.fromtimestamp(wall, UTC)
        for found in CronSim(self.expression, shown, reverse=back):
            local = found.replace(tzinfo=self.zone, fold=fold)
            if _is_skipped(local):
                if self._by_the_clock:
                    continue
                local = _after_the_gap(local)
            yield int(local.timestamp())

    @property
    def _by_the_clock(self) -> bool:
        return any(field.startswith("*") for field in self.expression.split()[:2])

    def _offset(self, second: int) -> int:
        """How far the wall clock is ahead of UTC (s)."""
        shown = datetime.fromtimestamp(second, self.zone).replace(tzinfo=UTC)
        return int(shown.timestamp()) - second


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


class WrongTimes(ValueError):
    """What is to say when a schedule fires does not; ``key`` names which word of it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


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


def _is_skipped(local: datetime) -> bool:
    """Whether no clock ever shows it: there and back it is another time."""
    return local.astimezone(UTC).astimezone(local.tzinfo) != local


def _after_the_gap(local: datetime) -> datetime:
    while _is_skipped(local):
        local += _MINUTE
    return local
