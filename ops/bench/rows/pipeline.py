"""How many events a second go all the way, against raw Dramatiq that runs messages.

Ours: posted, verified, committed, published, dispatched, claimed, run by a Python handler that does
nothing, and recorded: one web process, two workers and a scheduler, with the load generator on the
same machine. wrk posts for the length of a round, as fast as it is answered; the clock stops when
the last event that was accepted has its attempt. Theirs: as many worker processes and threads, the
stock broker and middleware, messages enqueued beforehand.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dramatiq.brokers.redis import RedisBroker

from ops.bench import noop_dramatiq
from ops.bench.backlog import Backlog, reading
from ops.bench.figures import Row, Side, compare, ratio_at_least
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import ROOT, Hookkeeper, environment
from ops.bench.load import audit
from ops.bench.processes import Process
from ops.bench.published import audit_published
from ops.bench.rows.accept import spelled
from ops.bench.spending import Meter

TARGET = ratio_at_least(1.0)
REASON = (
    "each event is three durable transactions (accepted, claimed, outcome), on the cores that web, "
    "writer, database, workers and wrk share; theirs is a message popped from Redis"
)
#: Each waits for its commit, which takes turns with the workers': 64 leave the machine half idle.
CONNECTIONS = 256
PROCESSES, THREADS = 2, 8  # Hookkeeper's defaults
COMMANDS = ("web", *("worker",) * PROCESSES, "scheduler")
MESSAGES_A_SECOND = 4_000  # of the round's nominal length: what theirs is given to do
HANDLERS = """
from ingest import Event, on


@on("github")
def nothing(event: Event) -> None:
    pass
"""
_GIVE_UP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One that runs, and what a round of it needs."""

    ground: Ground
    running: Hookkeeper
    backlog: Backlog
    roots: list[int]

    def round(self, seconds: float) -> Side:
        """Post for so many seconds, wait for the rest. Raises RuntimeError as the audits."""
        before, published = self._recorded(), self.running.published()
        started, meter = time.monotonic(), Meter(self.roots)
        load = self.ground.wrk(self.running.url, CONNECTIONS, seconds)
        taken = self.ground.emptied(self.backlog, _GIVE_UP_SECONDS) - started
        spent = meter.read("wrk")
        self.running.check()
        handled = self._recorded() - before
        audit(load, handled, CONNECTIONS)
        audit_published(published, self.running.published(), handled)
        return Side(handled, taken, spent.total, load.failures, spent)

    def _recorded(self) -> int:
        return self.backlog.count("attempts", "outcome = 'succeeded'")


def measure(ground: Ground) -> list[Row]:
    """Return a row for each database."""
    return [_on(ground, kind) for kind in KINDS]


def _on(ground: Ground, kind: Kind) -> Row:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, commands=COMMANDS, handlers=HANDLERS) as running,
        reading(database.url) as backlog,
    ):
        pipeline = Pipeline(
            ground, running, backlog, [*running.roots, *database.roots, *redis.roots]
        )
        pipeline.round(ground.options.warm_up_seconds)
        seconds = ground.options.seconds
        pairs = ground.pairs(lambda: pipeline.round(seconds), lambda: _dramatiq(ground))
    name = f"pipeline.{kind}"
    ground.tell(f"{name}: {spelled(pairs)}")
    return compare(
        *(name, "events/s", pairs, TARGET),
        f"raw Dramatiq, {PROCESSES} processes of {THREADS} threads, messages that wait for it",
        reason=REASON,
    )


def _dramatiq(ground: Ground) -> Side:
    """One round of raw Dramatiq, from its first finished message to its last."""
    count = round(MESSAGES_A_SECOND * ground.options.seconds)
    with ground.redis() as redis:
        broker = RedisBroker(url=redis.url)  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated
        noop_dramatiq.enqueue(broker, count)
        command = [sys.executable, "-m", "dramatiq", "ops.bench.noop_dramatiq"]
        command += ["--processes", str(PROCESSES), "--threads", str(THREADS)]
        environ = environment() | {noop_dramatiq.REDIS_VARIABLE: redis.url}
        log = Path(ground.folder("dramatiq")) / "dramatiq.log"
        with Process(ground.guard, command, log=log, folder=ROOT, environ=environ) as process:
            roots = [process.pid, *redis.roots]
            ground.wait_until(
                lambda: noop_dramatiq.unacknowledged(broker) < count, "the first message"
            )
            started, meter = time.monotonic(), Meter(roots)
            left = noop_dramatiq.unacknowledged(broker)
            ground.wait_until(
                lambda: noop_dramatiq.unacknowledged(broker) == 0, "the last", _GIVE_UP_SECONDS
            )
            taken, spent = time.monotonic() - started, meter.read()
            side = Side(left, taken, spent.total, spending=spent)
        broker.client.close()
    return side
