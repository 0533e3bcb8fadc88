"""Honest senders beside 1,000 slow connections, against the same senders alone.

A quarter each is silent, or sends a byte of a head or of a body twice a second, or sends requests
and reads no answer (``tests/live/slow_senders.py``); whoever is closed comes again. Honest load is
open-loop, and what is compared is the 99th percentile of each round.
"""

from collections.abc import Sequence
from itertools import count

from ops.bench.audited import Audit
from ops.bench.figures import Pair, Row, Target, percentiles, times
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import CONFIG, Hookkeeper
from ops.bench.limits import allow_open_files
from ops.bench.openloop import offer
from ops.bench.rows.latency import Round, offered_round
from tests.live.slow_senders import KINDS as KINDS_OF_SLOW
from tests.live.slow_senders import SlowSenders

SLOW = 1_000
RATE = 200.0  # honest requests a second: far from what the receiver can do
_SPARE_FILES = 400
_COME_SECONDS = 10.0  # a head has as long: who came at once would be sent away at once, 500 of them
TIMES = 2.0
TARGET = Target(f"<= {TIMES:g}x", lambda found: found.ratio <= TIMES)
REASON = (
    "the slow ones' bytes, 1,000 a second, and those that time out are served by the same loop, "
    "on the two cores that also send them"
)
_OPEN = '\n[sources.open]\nprovider = "none"\n'


def measure(ground: Ground) -> list[Row]:
    """Return a row for each database."""
    allow_open_files(SLOW + _SPARE_FILES)
    return [_on(ground, kind) for kind in KINDS]


def _on(ground: Ground, kind: Kind) -> Row:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, config=CONFIG + _OPEN) as ours,
    ):
        offer(ours.url, RATE, ground.options.warm_up_seconds, ground.home)
        seeds = count(1), count(1)  # both sides of a pair have the same schedule, each pair another
        roots = [*ours.roots, *database.roots, *redis.roots]
        rounds = ground.turns(
            lambda: _beside_slow(ground, ours, roots, next(seeds[0])),
            lambda: _alone(ground, ours, roots, next(seeds[1])),
        )
    found = [tuple(percentiles(side.offer.latencies) for side in pair) for pair in rounds]
    generator = rounds[-1][0].offer.describe_generator()
    return times(
        f"slow.{kind}.p99",
        [(ours["p99"], theirs["p99"]) for ours, theirs in found],
        [Pair(ours.side, theirs.side) for ours, theirs in rounds],
        TARGET,
        "the same senders without slow ones",
        reason=REASON,
        note=f"{RATE:g} requests/s beside {SLOW:,} slow connections; {generator}",
    )


def _alone(ground: Ground, ours: Hookkeeper, roots: Sequence[int], seed: int) -> Round:
    """One round of honest load. Raises RuntimeError as ``Audit.check`` does."""
    audit = Audit(ground, ours)
    found = offered_round(ground, ours.url, RATE, roots, seed)
    audit.check(found.offer.load, 0)
    return found


def _beside_slow(ground: Ground, ours: Hookkeeper, roots: Sequence[int], seed: int) -> Round:
    number = SLOW // len(KINDS_OF_SLOW)
    with SlowSenders(ours.port, number, again=True, over_seconds=_COME_SECONDS):
        return offered_round(ground, ours.url, RATE, roots, seed)
