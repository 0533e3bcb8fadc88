"""How long an acknowledgement takes at half of our peak rate, against bare Starlette.

Open-loop: both sides are offered the same Poisson schedule, and a request's time counts from when
it was due. What is compared is the 99th percentile of each round.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ops.bench.figures import Row, above_theirs_at_most, percentiles, row
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.machine import sync_ms
from ops.bench.openloop import Offer, offer
from ops.bench.processes import cpu_seconds

TARGET = above_theirs_at_most(10, "ms")
REASON = (
    "at half of the peak a commit holds 2 to 6 events in place of 22, so that an event costs twice "
    "the CPU in the web process and three times in the writer, and both cores are some 75 % busy "
    "with the generator; what the machine loses of its speed then (one loop takes 0.22 to 0.40 s "
    "within a second) becomes a queue. In calm minutes the p99 is 8 to 12 ms, a checkpoint's 6 ms "
    "among them"
)
CONNECTIONS = 64
_LONGER = 2  # of a round, because a p99 needs more requests than a rate


@dataclass(frozen=True, slots=True)
class Round:
    """What one side was offered, and what it cost its processes."""

    offer: Offer
    cpu_seconds: float

    @property
    def per_cpu_second(self) -> float:
        """Requests answered per second on a core."""
        return len(self.offer.outcomes) / self.cpu_seconds


def measure(ground: Ground) -> list[Row]:
    """Return a row for each database."""
    return [_on(ground, kind) for kind in KINDS]


def _on(ground: Ground, kind: Kind) -> Row:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url) as ours,
        ground.bare() as bare,
    ):
        ours.check_dedupe()
        ground.wrk(ours.url, CONNECTIONS, ground.options.warm_up_seconds)
        peak = ground.wrk(ours.url, CONNECTIONS)
        rate = peak.acknowledged / peak.seconds / 2
        for url in (ours.url, bare.url):
            offer(url, rate, ground.options.warm_up_seconds, ground.home)
        roots = [*ours.roots, *database.roots, *redis.roots]
        rounds = ground.turns(
            lambda: _round(ground, ours.url, rate, roots),
            lambda: _round(ground, bare.url, rate, bare.roots),
        )
    return _row(ground, kind, rate, rounds)


def _round(ground: Ground, url: str, rate: float, roots: Sequence[int]) -> Round:
    before = cpu_seconds(roots)
    found = offer(url, rate, ground.options.seconds * _LONGER, ground.home)
    return Round(found, cpu_seconds(roots) - before)


def _row(ground: Ground, kind: Kind, rate: float, rounds: list[tuple[Round, Round]]) -> Row:
    found = [tuple(percentiles(side.offer.latencies) for side in pair) for pair in rounds]
    values = [(ours["p99"], theirs["p99"]) for ours, theirs in found]
    name = f"latency.{kind}.p99"
    ground.tell(f"{name}: {', '.join(f'{o:.1f} / {t:.1f}' for o, t in values)}")
    latencies_ms = {
        side: {key: statistics.median(pair[index][key] for pair in found) for key in found[0][0]}
        for index, side in enumerate(("ours", "theirs"))
    }
    ours, theirs = zip(*rounds, strict=True)
    return row(
        *(name, "ms", values, TARGET, "bare Starlette + uvicorn at the same rate"),
        ours_per_cpu_second=statistics.median(side.per_cpu_second for side in ours),
        theirs_per_cpu_second=statistics.median(side.per_cpu_second for side in theirs),
        reason=REASON,
        note=_note(rate, [*ours, *theirs], _disk(ground)),
        latencies_ms=latencies_ms,
    )


def _note(rate: float, sides: Sequence[Round], disk: str) -> str:
    failures = sum(side.offer.failures for side in sides)
    said = f"at {rate:,.0f} requests/s; {sides[-1].offer.describe_generator()}; {disk}"
    return f"{said}; {failures} requests failed" if failures else said


def _disk(ground: Ground) -> str:
    """Say what the disk alone does to a p99: two syncs lie in the way of every answer."""
    found = sync_ms(ground.home)
    return f"one sync of 40 KB took {found['p50']:.1f} ms, {found['p99.9']:.0f} ms at p99.9"
