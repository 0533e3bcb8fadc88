"""Ten times what the whole pipeline can do, for a minute: what is kept, refused and caught up.

The pipeline's own rate is measured first: a burst, divided by the time until its last event is
handled. Then an open-loop generator offers ten times that, or the most that it can send; the row
says which. What was acknowledged is compared with the events in SQL and with what the handler
wrote down. The lag is the age of the oldest event that is not handled yet.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ops.bench.backlog import Backlog, reading
from ops.bench.figures import Row, Target, alone, at_most, percentile
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.openloop import Offer, Outcome, offer

TIMES = 10
SECONDS = 60.0
#: Senders at the same time; each waits for its answer. uvicorn listens to 4,096.
CONNECTIONS = 3_000
REFUSAL_MS = 10.0
LAG_SECONDS = 1.0
RECOVERY_SECONDS = 120.0
_GIVE_UP_SECONDS = 5 * RECOVERY_SECONDS
_ALMOST = 0.95
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
    """What an overload did. ``recovered``: seconds from its end until the lag was small again."""

    sustained: float
    offered: Offer
    stored: frozenset[str]
    handled: frozenset[str]
    recovered: float
    lag_at_end: float


def measure(ground: Ground) -> list[Row]:
    """Return what was lost, how fast was refused and how fast was caught up, on each database."""
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
        load = offer(ours.url, sustained * TIMES, seconds, ground.home, CONNECTIONS)
        lag = backlog.lag_seconds()
        recovered = _recovery(ground, backlog)
        stored, handled = frozenset(backlog.event_ids()), frozenset(_handled(ours.folder))
    return _rows(kind, Found(sustained, load, stored, handled, recovered, lag))


def sustained_rate(ground: Ground, ours: Hookkeeper, backlog: Backlog) -> float:
    """Return the events a second that the pipeline takes from POST to handled."""
    ground.wrk(ours.url, 64, ground.options.warm_up_seconds)
    _drained(ground, backlog)
    before, started = backlog.count(), time.monotonic()
    ground.wrk(ours.url, 64)
    _drained(ground, backlog)
    return (backlog.count() - before) / (time.monotonic() - started)


def _drained(ground: Ground, backlog: Backlog) -> None:
    ground.wait_until(lambda: not backlog.unfinished(), "the backlog", _GIVE_UP_SECONDS)


def _recovery(ground: Ground, backlog: Backlog) -> float:
    started = time.monotonic()
    ground.wait_until(lambda: backlog.lag_seconds() < LAG_SECONDS, "the lag", _GIVE_UP_SECONDS)
    found = time.monotonic() - started
    _drained(ground, backlog)
    return found


def _handled(folder: Path) -> Iterable[str]:
    for path in folder.glob("handled-*"):
        yield from path.read_text().split()


def _rows(kind: Kind, found: Found) -> list[Row]:
    acknowledged = {o.event_id for o in found.offered.outcomes if o.is_acknowledged}
    lost = acknowledged - (found.stored & found.handled)
    none_lost = Target("= 0", lambda ours, _theirs, _ratio: ours == 0)
    note = f"of {len(acknowledged):,} acknowledged; {_offered(found)}"
    return [
        alone(f"overload.{kind}.lost", "events", [len(lost)], none_lost, note=note),
        _refusals(kind, found.offered),
        alone(
            f"overload.{kind}.recovery",
            "s",
            [found.recovered],
            at_most(RECOVERY_SECONDS, "s"),
            note=f"until the lag was below 1 s; it was {found.lag_at_end:.1f} s at the end",
        ),
    ]


def _offered(found: Found) -> str:
    rate, wanted = found.offered.rate, found.sustained * TIMES
    said = f"offered {rate:,.0f}/s, {rate / found.sustained:.1f} x the sustained "
    said += f"{found.sustained:,.0f}/s"
    if rate < wanted * _ALMOST:
        said += f": {wanted:,.0f}/s were due, and no more left over {CONNECTIONS:,} connections"
    return f"{said}; {found.offered.describe_generator()}"


def _refusals(kind: Kind, offered: Offer) -> Row:
    """The p99 of a refusal's time, from when its request left; met only if all are proper."""
    refused = [outcome for outcome in offered.outcomes if outcome.is_refused]
    others = [o for o in offered.outcomes if not (o.is_acknowledged or _is_proper(o))]
    times = [outcome.answer_time for outcome in refused]
    name, target = f"overload.{kind}.refusal", at_most(REFUSAL_MS, "ms")
    statuses = Counter(outcome.status for outcome in offered.outcomes)
    spelled = ", ".join(f"{n:,} x {status or 'none'}" for status, n in sorted(statuses.items()))
    note = f"p99 of 429 and 503; answers: {spelled}; {offered.unsent:,} were never sent"
    row = alone(name, "ms", [percentile(times, 99) if times else 0.0], target, note=note)
    if not others:
        return row
    note = f"{len(others):,} were neither accepted nor refused with Retry-After; {note}"
    return replace(row, met=False, note=note)


def _is_proper(outcome: Outcome) -> bool:
    return outcome.is_refused and outcome.has_retry_after
