"""What a measurement says: sides, pairs, rows, and whether a target is met. Pure.

A ratio is the median of the pairs' ratios, never the ratio of two medians: the two runs of a pair
had the same minute of the machine.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ops.bench.spending import Spending, spelled

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
    #: Of work per second on a core; the median of the pairs' ratios, too.
    ratio_per_cpu_second: float | None = None
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
    """One run of one side: how much work it did, in how many seconds of wall and of CPU time.

    ``spending``: of whom those were, where it was looked at. ``failures``: what was not answered
    with success, and so is no work.
    """

    work: float
    seconds: float
    cpu_seconds: float = 0.0
    failures: int = 0
    spending: Spending | None = None

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
class Medians:
    """What a target is judged by: medians of the rounds, and of each pair's ratio and difference.

    NaN where there is no other side.
    """

    ours: float
    theirs: float = math.nan
    ratio: float = math.nan
    difference: float = math.nan


@dataclass(frozen=True, slots=True)
class Target:
    """A limit as a person writes it, and who keeps it."""

    text: str
    judge: Callable[[Medians], bool]


def ratio_at_least(limit: float, suffix: str = "") -> Target:
    """Ours is at least this many times theirs."""
    return Target(f">= {limit:g}{suffix}", lambda found: found.ratio >= limit)


def at_most(limit: float, unit: str) -> Target:
    """Ours is at most this, whatever theirs is."""
    return Target(f"<= {limit:g} {unit}", lambda found: found.ours <= limit)


def above_theirs_at_most(limit: float, unit: str) -> Target:
    """Ours exceeds theirs by at most this, in the median of the pairs."""
    return Target(f"<= theirs + {limit:g} {unit}", lambda found: found.difference <= limit)


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

    ``reason``, here and below: why the target is missed, where it is; kept only then. What this
    run spent is added to it. A row of which ours failed any request is a miss whatever its rate.
    """
    values = [(pair.ours.rate, pair.theirs.rate) for pair in pairs]
    return _of_pairs(name, unit, values, pairs, target, against, reason=reason, note=note)


def times(
    name: str,
    values: Sequence[tuple[float, float]],
    pairs: Sequence[Pair],
    target: Target,
    against: str,
    *,
    reason: str,
    note: str = "",
    latencies_ms: Mapping[str, Mapping[str, float]] | None = None,
) -> Row:
    """Make the row of times in ms (ours, theirs) that were taken under the load of some pairs."""
    return replace(
        _of_pairs(name, "ms", values, pairs, target, against, reason=reason, note=note),
        latencies_ms=latencies_ms or {},
    )


def _of_pairs(
    name: str,
    unit: str,
    values: Sequence[tuple[float, float]],
    pairs: Sequence[Pair],
    target: Target,
    against: str,
    *,
    reason: str,
    note: str,
) -> Row:
    both = [(pair.ours.per_cpu_second, pair.theirs.per_cpu_second) for pair in pairs]
    found = row(
        *(name, unit, values, target, against),
        reason=_joined(reason, spent(pairs, _one_of(unit))),
        ours_per_cpu_second=_median_of_known([ours for ours, _ in both]),
        theirs_per_cpu_second=_median_of_known([theirs for _, theirs in both]),
        ratio_per_cpu_second=_median_of_known([o / t if o and t else None for o, t in both]),
        note=note,
    )
    return _with_failures(
        *(found, sum(pair.ours.failures for pair in pairs)),
        sum(pair.theirs.failures for pair in pairs),
    )


def _with_failures(row: Row, ours: int, theirs: int) -> Row:
    """Return a row that tells how many requests failed; one of ours and its target is missed."""
    if theirs:
        row = replace(row, note=_joined(row.note, f"{theirs:,} of their requests failed"))
    return missed(row, f"{ours:,} of our requests failed") if ours else row


def spent(pairs: Sequence[Pair], what: str) -> str:
    """Tell what a piece of work cost each side's processes in this run; "" where nobody looked.

    ``what``: the piece, "request" for one.
    """
    sides = {"ours": [pair.ours for pair in pairs], "theirs": [pair.theirs for pair in pairs]}
    told = {
        name: spelled([(side.spending, side.work) for side in found if side.spending])
        for name, found in sides.items()
    }
    said = "; ".join(f"{name}: {text}" for name, text in told.items() if text)
    return f"this run, CPU for each {what}: {said}" if said else ""


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
    ratio_per_cpu_second: float | None = None,
    note: str = "",
) -> Row:
    """Make a row of pairs of figures (ours, theirs), of whatever kind."""
    ours = statistics.median(value for value, _ in values)
    theirs = statistics.median(value for _, value in values)
    ratio = statistics.median(_ratio(*value) for value in values)
    met = target.judge(Medians(ours, theirs, ratio, difference(values)))
    return Row(
        *(name, unit, ours, theirs, ratio, target.text, met, against),
        ours_per_cpu_second=ours_per_cpu_second,
        theirs_per_cpu_second=theirs_per_cpu_second,
        ratio_per_cpu_second=ratio_per_cpu_second,
        runs=len(values),
        note=note,
        reason="" if met else reason,
    )


def alone(
    name: str,
    unit: str,
    values: Sequence[float],
    target: Target,
    *,
    reason: str,
    ours_per_cpu_second: float | None = None,
    note: str = "",
) -> Row:
    """Make a row that has no other side: the median of some runs against a limit."""
    ours = statistics.median(values)
    met = target.judge(Medians(ours))
    return Row(
        *(name, unit, ours, None, None, target.text, met, ""),
        ours_per_cpu_second=ours_per_cpu_second,
        runs=len(values),
        note=note,
        reason="" if met else reason,
    )


def missed(row: Row, reason: str) -> Row:
    """Return a row as missed whatever its figure, with one more reason before its own."""
    return replace(row, met=False, reason=_joined(reason, row.reason))


def difference(values: Sequence[tuple[float, float]]) -> float:
    """Return the median of the pairs' differences; endless where ours was in most of them."""
    return statistics.median(
        math.inf if math.isinf(ours) else ours - theirs for ours, theirs in values
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles that the latency picture draws."""
    ordered = sorted(values)
    return {f"p{percent:g}": percentile(ordered, percent) for percent in (50, 90, 99, 99.9)}


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the least-squares slope of (x, y) points, three or more, and its standard error.

    The error is that of the residuals, which must not repeat each other.
    """
    xs, ys = zip(*points, strict=True)
    line, center = statistics.linear_regression(xs, ys), statistics.fmean(xs)
    residuals = (y - line.intercept - line.slope * x for x, y in points)
    variance = sum(each**2 for each in residuals) / (len(points) - 2)
    return line.slope, math.sqrt(variance / sum((x - center) ** 2 for x in xs))


def _one_of(unit: str) -> str:
    """Return a piece of the work that a unit counts: "delivery" for "deliveries/s"."""
    many, is_rate, _ = unit.partition("/s")
    if not is_rate:
        return "request"
    return f"{many[:-3]}y" if many.endswith("ies") else many.removesuffix("s")


def _joined(*texts: str) -> str:
    return "; ".join(filter(None, texts))


def _ratio(ours: float, theirs: float) -> float:
    """Endless where the other side did nothing; 0 where ours did nothing either."""
    if not theirs:
        return math.inf if ours else 0.0
    return ours / theirs


def _median_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
