"""How long an acknowledgement takes at half of our peak rate, against bare Starlette.

Open-loop: both sides of a pair are offered the same Poisson schedule, each pair another, and a
request's time counts from when it was due. What is compared is the 99th percentile of each round.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from ops.bench.audited import Audit
from ops.bench.figures import (
    Pair,
    Row,
    Side,
    above_theirs_at_most,
    difference,
    percentiles,
    times,
)
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.machine import sync_ms
from ops.bench.openloop import Offer, offer
from ops.bench.spending import Meter, Spending

TARGET = above_theirs_at_most(10, "ms")
REASON = (
    "at half of the peak a commit holds few events, so that each costs more CPU, and what the "
    "machine loses of its speed becomes a queue"
)
CONNECTIONS = 64
_LONGER = 2  # of a round, because a p99 needs more requests than a rate


PEAKS = 3  # rounds, of whose rates half the median is offered


@dataclass(frozen=True, slots=True)
class Round:
    """What one side was offered, and what it cost its processes."""

    offer: Offer
    spending: Spending

    @property
    def side(self) -> Side:
        """The same as a rate's round is told."""
        load = self.offer.load
        return Side(
            *(load.acknowledged, load.seconds, self.spending.total),
            *(self.offer.failures, self.spending),
        )


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
        rate = _peak(ground, ours.url) / 2
        for url in (ours.url, bare.url):
            offer(url, rate, ground.options.warm_up_seconds, ground.home)
        roots, seeds = [*ours.roots, *database.roots, *redis.roots], (count(1), count(1))
        rounds = ground.turns(
            lambda: _ours(ground, ours, rate, roots, next(seeds[0])),
            lambda: offered_round(ground, bare.url, rate, bare.roots, next(seeds[1])),
        )
    return _row(ground, kind, rate, rounds)


def _peak(ground: Ground, url: str) -> float:
    """Requests a second under closed-loop load, the median of some rounds after a warm-up."""
    ground.wrk(url, CONNECTIONS, ground.options.warm_up_seconds)
    rounds = [ground.wrk(url, CONNECTIONS) for _ in range(PEAKS)]
    return statistics.median(found.acknowledged / found.seconds for found in rounds)


def _ours(ground: Ground, ours: Hookkeeper, rate: float, roots: Sequence[int], seed: int) -> Round:
    """One round of ours. Raises RuntimeError as ``Audit.check`` does."""
    audit = Audit(ground, ours)
    found = offered_round(ground, ours.url, rate, roots, seed)
    audit.check(found.offer.load, 0)  # the generator stays for every answer
    return found


def offered_round(ground: Ground, url: str, rate: float, roots: Sequence[int], seed: int) -> Round:
    """One round of a side. ``seed``: which schedule; both sides of a pair have the same."""
    meter, seconds = Meter(roots), ground.options.seconds * _LONGER
    found = offer(url, rate, seconds, ground.home, seed=seed)
    return Round(found, meter.read("generator", found.cpu_seconds))


def _row(ground: Ground, kind: Kind, rate: float, rounds: list[tuple[Round, Round]]) -> Row:
    found = [tuple(percentiles(side.offer.latencies) for side in pair) for pair in rounds]
    values = [(ours["p99"], theirs["p99"]) for ours, theirs in found]
    name = f"latency.{kind}.p99"
    ground.tell(f"{name}: {', '.join(f'{o:.1f} / {t:.1f}' for o, t in values)}")
    latencies_ms = {
        side: {key: statistics.median(pair[index][key] for pair in found) for key in found[0][0]}
        for index, side in enumerate(("ours", "theirs"))
    }
    pairs = [Pair(ours.side, theirs.side) for ours, theirs in rounds]
    apart = f"{difference(values):.1f} ms more, the median of the pairs' differences"
    loaded = f"at {rate:,.0f} requests/s; {rounds[-1][0].offer.describe_generator()}"
    return times(
        *(name, values, pairs, TARGET, "bare Starlette + uvicorn at the same rate"),
        reason=REASON,
        note=f"{apart}; {loaded}; {_disk(ground)}",
        latencies_ms=latencies_ms,
    )


def _disk(ground: Ground) -> str:
    """Say what the disk alone does to a p99: two syncs lie in the way of every answer."""
    found = sync_ms(ground.home)
    return f"one sync of 40 KB took {found['p50']:.1f} ms, {found['p99.9']:.0f} ms at p99.9"
