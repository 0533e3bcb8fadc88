"""Ten million stored events: what they cost the accept rate, and how long a query takes.

One receiver has an empty store and the other a filled one; they are loaded in turn. The queries
are those of the console and the command line, at random places of the 90 days.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from ingest.events import EventState
from ingest.store import Database, migrate, open_database, queries
from ops.bench.backlog import count
from ops.bench.figures import Row, alone, at_most, compare, percentile, ratio_at_least
from ops.bench.filling import BUSY, DAY_MS, HISTORY_MS, SOURCES, fill
from ops.bench.ground import KINDS, Ground, Kind, Server
from ops.bench.hookkeeper import Hookkeeper

EVENTS = 10_000_000
#: Deliveries and attempts beside them: the tables that accepting does not touch.
FINISHED = 1_000_000
CONNECTIONS = 64
ACCEPT = ratio_at_least(0.9)
QUERY = at_most(50, "ms")
QUERIES = 200  # a round

#: Chooses what to ask for, and returns the question; only that is timed.
Choose = Callable[[Database], Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver, its database, and all processes that work for it."""

    hookkeeper: Hookkeeper
    roots: list[int]


def measure(ground: Ground) -> list[Row]:
    """Return, for each database, the accept rate and the p95 of each kind of query."""
    return [row for kind in KINDS for row in _on(ground, kind)]


def _on(ground: Ground, kind: Kind) -> list[Row]:
    with ExitStack() as stack:
        full, empty = (stack.enter_context(ground.database(kind)) for _ in range(2))
        migrate(full.url)
        started = time.monotonic()
        fill(full.url, EVENTS, FINISHED)
        ground.tell(f"stored.{kind}: filled in {time.monotonic() - started:.0f} s")
        ours = stack.enter_context(receiving(ground, full))
        theirs = stack.enter_context(receiving(ground, empty))
        rows = [_accept_row(ground, kind, ours, theirs)]
        # The system may have taken from memory what nobody asked for meanwhile.
        count(full.url, where="trace_id = ''")
        database = stack.enter_context(closing(open_database(full.url)))
        return rows + [
            _query_row(ground, f"stored.{kind}.{name}", database, choose)
            for name, choose in _QUERIES.items()
        ]


@contextmanager
def receiving(
    ground: Ground, database: Server, *others: str, handlers: str | None = None
) -> Iterator[Receiver]:
    """Start a receiver on a database, with a Redis of its own, and whatever is to run beside it."""
    commands = ("web", *others)
    with (
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, commands=commands, handlers=handlers) as started,
    ):
        yield Receiver(started, [*started.roots, *database.roots, *redis.roots])


def _accept_row(ground: Ground, kind: Kind, full: Receiver, empty: Receiver) -> Row:
    # The keys that repetitions are compared with are in memory where a store is in use.
    count(full.hookkeeper.database_url, "dedupe", "length(key) > 0")
    for side in (full, empty):
        ground.wrk(side.hookkeeper.url, CONNECTIONS, ground.options.warm_up_seconds)
    pairs = ground.pairs(
        lambda: ground.rate(full.hookkeeper.url, CONNECTIONS, full.roots)[0],
        lambda: ground.rate(empty.hookkeeper.url, CONNECTIONS, empty.roots)[0],
    )
    name = f"stored.{kind}.accept"
    note = f"{EVENTS:,} events, the keys of the last seven days among them; warmed up"
    return compare(name, "requests/s", pairs, ACCEPT, "an empty store", note)


def _query_row(ground: Ground, name: str, database: Database, choose: Choose) -> Row:
    rounds = [_p95(database, choose) for _ in range(ground.options.rounds)]
    return alone(
        name,
        "ms",
        rounds,
        QUERY,
        note=f"p95 of {QUERIES} at random places; events read once before",
    )


def _p95(database: Database, choose: Choose) -> float:
    taken = []
    for query in [choose(database) for _ in range(QUERIES)]:
        started = time.perf_counter()
        query()
        taken.append((time.perf_counter() - started) * 1_000)
    return percentile(taken, 95)


def _some_day() -> int:
    return time.time_ns() // 1_000_000 - random.randrange(DAY_MS, HISTORY_MS - DAY_MS)


def _list(database: Database) -> Callable[[], object]:
    """A page of a hundred by source, state and a day."""
    source, since = random.choice((BUSY, *SOURCES)), _some_day()
    state = random.choice((EventState.DISPATCHED, EventState.UNMATCHED))
    return lambda: _page(database, source, state, since)


def _page(database: Database, source: str, state: EventState, since: int) -> None:
    until = since + DAY_MS
    found = queries.list_events(database, source=source, state=state, since=since, until=until)
    if not found:
        raise RuntimeError(f"{source} has no {state} events on a day")


def _find(database: Database) -> Callable[[], object]:
    """An event with its body, by its id."""
    (row,) = queries.list_events(database, until=_some_day(), limit=1)
    return lambda: queries.get_event(database, row.id)


_QUERIES: dict[str, Choose] = {"list": _list, "find": _find}
