"""Ten times what the whole pipeline can do, for a minute: what is kept, refused and caught up.

The pipeline's own rate is measured first: bursts, each divided by the time until its last event
is handled. Then an open-loop generator offers ten times that; where it cannot send so many, no row
has met its target. What was acknowledged is compared with the events in SQL and with what the
handler wrote down. The lag is the age of the oldest event that is not handled yet.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from ops.bench.backlog import Backlog, fence, reading
from ops.bench.figures import Row, Target, alone, at_most, missed, percentile
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.lag import Lag, recovery_seconds, watching
from ops.bench.limits import allow_open_files
from ops.bench.openloop import Offer, Outcome, offer
from ops.bench.rows import pipeline
from ops.bench.spending import Meter, Spending, spelled

TIMES = 10
SECONDS = 60.0
#: Runs of a whole overload, and bursts of which the sustained rate is the median.
RUNS, BURSTS = 3, 3
#: Senders at the same time; each waits for its answer. ``hookkeeper web`` takes 4,096.
CONNECTIONS = 3_000
REFUSAL_MS = 10.0
LAG_SECONDS = 1.0
RECOVERY_SECONDS = 120.0
_GIVE_UP_SECONDS = 5 * RECOVERY_SECONDS
#: Of ten times: a Poisson schedule and its last requests may fall that short.
_ALMOST = 0.95
_SPARE_FILES = 200
LOST = "something that was acknowledged is not there: a bug, and the first thing to mend"
SLOW = (
    "each connection sends again at once, so a refusal waits as long as all of them take to be "
    "answered, on what the generator leaves of the cores"
)
BEHIND = "the backlog of a minute was more than the workers handle in the time; see the lag"
COMMANDS = ("web", "worker", "worker", "scheduler")
HANDLERS = '''
import os

from ingest import Event, on

LOG = os.open(f"handled-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)


@on("github")
def note(event: Event) -> None:
    """Leave a line in this process's own file."""
    os.write(LOG, f"{event.id}\\n".encode())
'''


@dataclass(frozen=True, slots=True)
class Found:
    """What an overload did; ``lags`` were seen from before its start until all was handled."""

    sustained: float
    offered: Offer
    stored: frozenset[str]
    handled: frozenset[str]
    lags: Sequence[Lag]
    spending: Spending  # while the load was offered

    @property
    def times(self) -> float:
        """How many times what the pipeline sustains was really offered."""
        return self.offered.rate / self.sustained


def measure(ground: Ground) -> list[Row]:
    """Return what was lost, how fast was refused and how fast was caught up, on each database."""
    allow_open_files(CONNECTIONS + _SPARE_FILES)
    return [row for kind in KINDS for row in _on(ground, kind)]


def _on(ground: Ground, kind: Kind) -> list[Row]:
    runs = range(min(RUNS, ground.options.rounds))
    return rows_of(kind, [_run(ground, kind) for _ in runs])


def _run(ground: Ground, kind: Kind) -> Found:
    """One overload of servers of its own: the first would leave the next one its rows."""
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, commands=COMMANDS, handlers=HANDLERS) as ours,
        reading(database.url) as backlog,
    ):
        sustained = sustained_rate(ground, ours, backlog)
        ground.tell(f"{kind}: the pipeline sustains {sustained:,.0f} events/s")
        seconds = SECONDS if ground.options.are_enough else ground.options.seconds
        meter = Meter([*ours.roots, *database.roots, *redis.roots])
        with watching(database.url) as lags:
            load = offer(ours.url, sustained * TIMES, seconds, ground.home, CONNECTIONS)
            spent = meter.read("generator", load.cpu_seconds)
            ground.emptied(backlog, _GIVE_UP_SECONDS)
        stored, handled = frozenset(backlog.event_ids()), frozenset(_handled(ours.folder))
    return Found(sustained, load, stored, handled, lags, spent)


def sustained_rate(ground: Ground, ours: Hookkeeper, backlog: Backlog) -> float:
    """Return the events a second that the pipeline takes from POST to handled.

    The median of some bursts: ten times and half of it are offered, and must not hang on one.
    """
    ground.wrk(ours.url, pipeline.CONNECTIONS, ground.options.warm_up_seconds)
    ground.emptied(backlog, _GIVE_UP_SECONDS)
    return median(_burst(ground, ours, backlog) for _ in range(BURSTS))


def _burst(ground: Ground, ours: Hookkeeper, backlog: Backlog) -> float:
    since, started = fence(), time.monotonic()
    ground.wrk(ours.url, pipeline.CONNECTIONS)
    taken = ground.emptied(backlog, _GIVE_UP_SECONDS) - started
    return backlog.count_since(since) / taken


def _handled(folder: Path) -> Iterable[str]:
    for path in folder.glob("handled-*"):
        yield from path.read_text().split()


def rows_of(kind: Kind, runs: Sequence[Found]) -> list[Row]:
    """Judge what some runs found; where one offered less than ten times, no target is met.

    What was lost is the sum of all runs, a time the median of them, with the worst beside it.
    """
    rows = [_lost(kind, runs), refusals(kind, runs), _recovery(kind, runs)]
    least = min(found.times for found in runs)
    if least >= TIMES * _ALMOST:
        return rows
    reason = (
        f"only {least:.1f} times the sustained rate was offered, not {TIMES}: the generator "
        "has the same cores, and a connection sends nothing before it is answered"
    )
    return [missed(row, reason) for row in rows]


def _lost(kind: Kind, runs: Sequence[Found]) -> Row:
    acknowledged = [
        {outcome.event_id for outcome in found.offered.outcomes if outcome.is_acknowledged}
        for found in runs
    ]
    lost = sum(
        len(ids - (found.stored & found.handled))
        for ids, found in zip(acknowledged, runs, strict=True)
    )
    none_lost = Target("= 0", lambda found: found.ours == 0)
    total = sum(map(len, acknowledged))
    note = f"the sum, of {total:,} acknowledged; {'; '.join(map(_offered, runs))}"
    row = alone(f"overload.{kind}.lost", "events", [lost], none_lost, reason=LOST, note=note)
    return replace(row, runs=len(runs))


def _recovery(kind: Kind, runs: Sequence[Found]) -> Row:
    ends = [(found.lags, found.offered.ended) for found in runs]
    recovered = [recovery_seconds(lags, end, LAG_SECONDS) for lags, end in ends]
    during = max((lag.seconds for lags, end in ends for lag in lags if lag.at <= end), default=0.0)
    after = max((lag.seconds for lags, end in ends for lag in lags if lag.at > end), default=0.0)
    note = f"from the end of the schedule until the lag was below {LAG_SECONDS:g} s for good, "
    note += f"{max(recovered):.1f} s in the worst run; "
    note += f"a lag of at most {during:.1f} s before the end, {after:.1f} s after it"
    target = at_most(RECOVERY_SECONDS, "s")
    return alone(f"overload.{kind}.recovery", "s", recovered, target, reason=BEHIND, note=note)


def _offered(found: Found) -> str:
    said = f"offered {found.offered.rate:,.0f}/s, {found.times:.1f} x the sustained "
    return f"{said}{found.sustained:,.0f}/s, {found.offered.describe_generator()}"


def refusals(kind: Kind, runs: Sequence[Found]) -> Row:
    """The p99 of a refusal's time, from when its request left; met only if all are proper."""
    outcomes = [outcome for found in runs for outcome in found.offered.outcomes]
    others = sum(not (outcome.is_acknowledged or _is_proper(outcome)) for outcome in outcomes)
    values = [_refusal_ms(found.offered) for found in runs]
    statuses = Counter(outcome.status for outcome in outcomes)
    answers = ", ".join(f"{n:,} x {status or 'none'}" for status, n in sorted(statuses.items()))
    unsent = sum(found.offered.unsent for found in runs)
    note = f"p99 of 429 and 503, {max(values):.0f} ms in the worst run; "
    note += f"answers: {answers}; {unsent:,} were never sent"
    row = alone(
        *(f"overload.{kind}.refusal", "ms", values, at_most(REFUSAL_MS, "ms")),
        reason=f"{SLOW}; {_cost(runs)}",
        ours_per_cpu_second=median(_answered(found) / found.spending.total for found in runs),
        note=f"{note}; answers per CPU-second",
    )
    if not others:
        return row
    return missed(row, f"{others:,} were neither accepted nor refused with Retry-After")


def _cost(runs: Sequence[Found]) -> str:
    """Tell this run's own figures: how fast all were answered, and what an answer cost."""
    rate = median(_answered(found) / found.offered.seconds for found in runs)
    wait = 1_000 * CONNECTIONS / max(rate, 1)
    spent = spelled([(found.spending, _answered(found)) for found in runs])
    return f"this run: {rate:,.0f} answers/s, so {wait:,.0f} ms; CPU for each: {spent}"


def _answered(found: Found) -> int:
    return found.offered.load.answered


def _refusal_ms(offered: Offer) -> float:
    times = [outcome.answer_time for outcome in offered.outcomes if outcome.is_refused]
    return percentile(times, 99) if times else 0.0


def _is_proper(outcome: Outcome) -> bool:
    return outcome.is_refused and outcome.has_retry_after
