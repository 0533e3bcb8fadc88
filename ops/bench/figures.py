"""What a measurement says: sides, pairs, rows, and whether a target is met. Pure.

A ratio is the median of the pairs' ratios, never the ratio of two medians: the two runs of a pair
had the same minute of the machine.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

#: The reason of a row that has met its target whenever it was measured before.
UNEXPLAINED = "not known: this row met its target before; profile it, and write the reason here"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report. ``theirs`` and ``ratio`` are None where there is no other side.

    ``reason``: why the target was missed; a row that missed has one. Raises ValueError if not.
    """

    name: str
    unit: str
    ours: float
    theirs: float | None
    ratio: float | None
    target: str
    met: bool
    against: str
    ours_per_cpu_second: float | None = None
    theirs_per_cpu_second: float | None = None
    runs: int = 5
    note: str = ""
    reason: str = ""
    #: Percentiles in ms by side ("ours", "theirs"): {"ours": {"p50": 1.2, ...}, ...}.
    latencies_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.met or self.reason):
            raise ValueError(f"{self.name} missed its target and does not say why")


@dataclass(frozen=True, slots=True)
class Side:
    """One run of one side: how much work it did, in how many seconds of wall and of CPU time."""

    work: float
    seconds: float
    cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Work per second of wall time."""
        return self.work / self.seconds

    @property
    def per_cpu_second(self) -> float | None:
        """Work per second that all processes of the side spent on a core; None: not known."""
        return self.work / self.cpu_seconds if self.cpu_seconds else None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs straight after each other, on the same machine."""

    ours: Side
    theirs: Side


@dataclass(frozen=True, slots=True)
class Target:
    """A limit as a person writes it, and who keeps it: ``(ours, theirs, ratio) -> bool``."""

    text: str
    judge: Callable[[float, float, float], bool]


def ratio_at_least(limit: float, suffix: str = "") -> Target:
    """Ours is at least this many times theirs."""
    return Target(f">= {limit:g}{suffix}", lambda _ours, _theirs, ratio: ratio >= limit)


def at_most(limit: float, unit: str) -> Target:
    """Ours is at most this, whatever theirs is."""
    return Target(f"<= {limit:g} {unit}", lambda ours, _theirs, _ratio: ours <= limit)


def above_theirs_at_most(limit: float, unit: str) -> Target:
    """Ours exceeds theirs by at most this."""
    return Target(f"<= theirs + {limit:g} {unit}", lambda o, t, _ratio: o - t <= limit)


def compare(
    name: str,
    unit: str,
    pairs: Sequence[Pair],
    target: Target,
    against: str,
    *,
    reason: str,
    note: str = "",
) -> Row:
    """Make the row of a rate: work per second of either side, and per CPU-second.

    ``reason``, here and below: why the target is missed, where it is; kept only then.
    """
    values = [(pair.ours.rate, pair.theirs.rate) for pair in pairs]
    return row(
        *(name, unit, values, target, against),
        reason=reason,
        ours_per_cpu_second=_median_of_known([p.ours.per_cpu_second for p in pairs]),
        theirs_per_cpu_second=_median_of_known([p.theirs.per_cpu_second for p in pairs]),
        note=note,
    )


def row(
    name: str,
    unit: str,
    values: Sequence[tuple[float, float]],
    target: Target,
    against: str,
    *,
    reason: str,
    ours_per_cpu_second: float | None = None,
    theirs_per_cpu_second: float | None = None,
    note: str = "",
    latencies_ms: Mapping[str, Mapping[str, float]] | None = None,
) -> Row:
    """Make a row of pairs of figures (ours, theirs), of whatever kind."""
    ours = statistics.median(value for value, _ in values)
    theirs = statistics.median(value for _, value in values)
    ratio = statistics.median(_ratio(*value) for value in values)
    met = target.judge(ours, theirs, ratio)
    return Row(
        *(name, unit, ours, theirs, ratio, target.text, met, against),
        ours_per_cpu_second=ours_per_cpu_second,
        theirs_per_cpu_second=theirs_per_cpu_second,
        runs=len(values),
        note=note,
        reason="" if met else reason,
        latencies_ms=latencies_ms or {},
    )


def alone(
    name: str, unit: str, values: Sequence[float], target: Target, *, reason: str, note: str = ""
) -> Row:
    """Make a row that has no other side: the median of some runs against a limit."""
    ours = statistics.median(values)
    met = target.judge(ours, math.nan, math.nan)
    return Row(
        *(name, unit, ours, None, None, target.text, met, ""),
        runs=len(values),
        note=note,
        reason="" if met else reason,
    )


def missed(row: Row, reason: str) -> Row:
    """Return a row as missed whatever its figure, with one more reason before its own."""
    return replace(row, met=False, reason="; ".join(filter(None, (reason, row.reason))))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles that the latency picture draws."""
    ordered = sorted(values)
    return {f"p{percent:g}": percentile(ordered, percent) for percent in (50, 90, 99, 99.9)}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the least-squares slope of (x, y) points."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _ratio(ours: float, theirs: float) -> float:
    """Endless where the other side did nothing; 0 where ours did nothing either."""
    if not theirs:
        return math.inf if ours else 0.0
    return ours / theirs


def _median_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
