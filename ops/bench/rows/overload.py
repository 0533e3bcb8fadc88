"""Ten times what the whole pipeline can do, for a minute: what is kept, refused and caught up.

The pipeline's own rate is measured first: a burst, divided by the time until its last event is
handled. Then an open-loop generator offers ten times that; where it cannot send so many, no row
has met its target. What was acknowledged is compared with the events in SQL and with what the
handler wrote down. The lag is the age of the oldest event that is not handled yet.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.bench.backlog import Backlog, reading
from ops.bench.figures import Row, Target, alone, at_most, missed, percentile
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.lag import Lag, recovery_seconds, watching
from ops.bench.limits import allow_open_files
from ops.bench.openloop import Offer, Outcome, offer
from ops.bench.rows import pipeline

TIMES = 10
SECONDS = 60.0
#: Senders at the same time; each waits for its answer. uvicorn listens to 4,096.
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
    "each of 3,000 connections sends again at once, so a refusal waits 3,000 divided by the rate "
    "at which the web process refuses, on what the generator leaves it of two cores"
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

    @property
    def times(self) -> float:
        """How many times what the pipeline sustains was really offered."""
        return self.offered.rate / self.sustained


def measure(ground: Ground) -> list[Row]:
    """Return what was lost, how fast was refused and how fast was caught up, on each database."""
    allow_open_files(CONNECTIONS + _SPARE_FILES)
    return [row for kind in KINDS for row in _on(ground, kind)]


def _on(ground: Ground, kind: Kind) -> list[Row]:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, commands=COMMANDS, handlers=HANDLERS) as ours,
        reading(database.url) as backlog,
    ):
        sustained = sustained_rate(ground, ours, backlog)
        ground.tell(f"{kind}: the pipeline sustains {sustained:,.0f} events/s")
        seconds = SECONDS if ground.options.are_enough else ground.options.seconds
        with watching(database.url) as lags:
            load = offer(ours.url, sustained * TIMES, seconds, ground.home, CONNECTIONS)
            _drained(ground, backlog)
        stored, handled = frozenset(backlog.event_ids()), frozenset(_handled(ours.folder))
    return rows_of(kind, Found(sustained, load, stored, handled, lags))


def sustained_rate(ground: Ground, ours: Hookkeeper, backlog: Backlog) -> float:
    """Return the events a second that the pipeline takes from POST to handled."""
    ground.wrk(ours.url, pipeline.CONNECTIONS, ground.options.warm_up_seconds)
    _drained(ground, backlog)
    before, started = backlog.count(), time.monotonic()
    ground.wrk(ours.url, pipeline.CONNECTIONS)
    _drained(ground, backlog)
    return (backlog.count() - before) / (time.monotonic() - started)


def _drained(ground: Ground, backlog: Backlog) -> None:
    ground.wait_until(lambda: not backlog.unfinished(), "the backlog", _GIVE_UP_SECONDS)


def _handled(folder: Path) -> Iterable[str]:
    for path in folder.glob("handled-*"):
        yield from path.read_text().split()


def rows_of(kind: Kind, found: Found) -> list[Row]:
    """Judge what was found; below the offered ten times nothing has met its target."""
    acknowledged = {o.event_id for o in found.offered.outcomes if o.is_acknowledged}
    lost = acknowledged - (found.stored & found.handled)
    none_lost = Target("= 0", lambda ours, _theirs, _ratio: ours == 0)
    note = f"of {len(acknowledged):,} acknowledged; {_offered(found)}"
    rows = [
        alone(f"overload.{kind}.lost", "events", [len(lost)], none_lost, reason=LOST, note=note),
        refusals(kind, found.offered),
        _recovery(kind, found),
    ]
    if found.times >= TIMES * _ALMOST:
        return rows
    reason = (
        f"only {found.times:.1f} times the sustained rate was offered, not {TIMES}: the generator "
        "has the same two cores, and a connection sends nothing before it is answered"
    )
    return [missed(row, reason) for row in rows]


def _recovery(kind: Kind, found: Found) -> Row:
    end = found.offered.ended
    recovered = recovery_seconds(found.lags, end, LAG_SECONDS)
    during = max((lag.seconds for lag in found.lags if lag.at <= end), default=0.0)
    after = max((lag.seconds for lag in found.lags if lag.at > end), default=0.0)
    note = f"from the end of the schedule until the lag was below {LAG_SECONDS:g} s for good; "
    note += f"at most {during:.1f} s before the end, {after:.1f} s after it"
    target = at_most(RECOVERY_SECONDS, "s")
    return alone(f"overload.{kind}.recovery", "s", [recovered], target, reason=BEHIND, note=note)


def _offered(found: Found) -> str:
    said = f"offered {found.offered.rate:,.0f}/s, {found.times:.1f} x the sustained "
    return f"{said}{found.sustained:,.0f}/s; {found.offered.describe_generator()}"


def refusals(kind: Kind, offered: Offer) -> Row:
    """The p99 of a refusal's time, from when its request left; met only if all are proper."""
    refused = [outcome for outcome in offered.outcomes if outcome.is_refused]
    others = [o for o in offered.outcomes if not (o.is_acknowledged or _is_proper(o))]
    times = [outcome.answer_time for outcome in refused]
    name, target = f"overload.{kind}.refusal", at_most(REFUSAL_MS, "ms")
    statuses = Counter(outcome.status for outcome in offered.outcomes)
    spelled = ", ".join(f"{n:,} x {status or 'none'}" for status, n in sorted(statuses.items()))
    note = f"p99 of 429 and 503; answers: {spelled}; {offered.unsent:,} were never sent"
    value = percentile(times, 99) if times else 0.0
    row = alone(name, "ms", [value], target, reason=SLOW, note=note)
    if not others:
        return row
    return missed(row, f"{len(others):,} were neither accepted nor refused with Retry-After")


def _is_proper(outcome: Outcome) -> bool:
    return outcome.is_refused and outcome.has_retry_after
