"""Ten million stored events: what they cost the accept rate, and how long a query takes.

One receiver has an empty store and the other a filled one; they are loaded in turn. The queries
are those of the console and the command line, at random places of the 90 days.
"""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from ingest.events import EventState
from ingest.store import Database, migrate, open_database, queries
from ops.bench.audited import audited
from ops.bench.backlog import count, size_bytes
from ops.bench.figures import UNEXPLAINED, Row, alone, at_most, compare, percentile, ratio_at_least
from ops.bench.filling import BUSY, DAY_MS, SOURCES, History, fill
from ops.bench.ground import KINDS, Ground, Kind, Server
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.request import github_event

EVENTS = 10_000_000
#: Deliveries and attempts beside them: the tables that accepting does not touch.
FINISHED = 1_000_000
CONNECTIONS = 64
ACCEPT = ratio_at_least(0.9)
QUERY = at_most(50, "ms")
QUERIES = 200  # a round
_SEED = 3  # any: each run asks for the same places
#: An event takes so many bytes on disk beside its body, and its body so much of its own length;
#: measured on SQLite, which needs more: PostgreSQL compresses.
_ROW_BYTES, _BODY_SHARE = 700, 1.25
#: For the empty store, the log of what is filled, and whoever else uses the disk.
_SPARE_BYTES = 12 * 2**30
_GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class Filled:
    """A store with history, what to ask it for, and where chance comes from."""

    database: Database
    history: History
    chance: random.Random

    def some_day(self) -> int:
        """Return a time in ms from which a whole day of the history follows."""
        days = self.history.events * self.history.apart_ms // DAY_MS
        return self.history.start_ms + self.chance.randrange((days - 1) * DAY_MS)


#: Chooses what to ask for, and returns the question; only that is timed.
Choose = Callable[[Filled], Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver, its database, and all processes that work for it."""

    hookkeeper: Hookkeeper
    roots: list[int]


def measure(ground: Ground) -> list[Row]:
    """Return, for each database, the accept rate and the p95 of each kind of query."""
    return [row for kind in KINDS for row in _on(ground, kind)]


def body_for(free_bytes: int) -> bytes | None:
    """Return the body of the accept rows where the disk has room; else None, the small one."""
    body = github_event().body
    needed = EVENTS * (_ROW_BYTES + _BODY_SHARE * len(body)) + _SPARE_BYTES
    return body if free_bytes >= needed else None


def _on(ground: Ground, kind: Kind) -> list[Row]:
    with ExitStack() as stack:
        full, empty = (stack.enter_context(ground.database(kind)) for _ in range(2))
        migrate(full.url)
        started = time.monotonic()
        body = body_for(shutil.disk_usage(ground.home).free)
        history = fill(full.url, EVENTS, FINISHED, body)
        ground.tell(f"stored.{kind}: filled in {time.monotonic() - started:.0f} s")
        note = _note(full, body)
        ours = stack.enter_context(receiving(ground, full))
        theirs = stack.enter_context(receiving(ground, empty))
        rows = [_accept_row(ground, kind, ours, theirs, note)]
        # The system may have taken from memory what nobody asked for meanwhile.
        count(full.url, where="trace_id = ''")
        database = stack.enter_context(closing(open_database(full.url)))
        filled = Filled(database, history, random.Random(_SEED))
        return rows + [
            _query_row(ground, f"stored.{kind}.{name}", filled, choose, note)
            for name, choose in _QUERIES.items()
        ]


def _note(full: Server, body: bytes | None) -> str:
    """Say how large the store is, and how much of it fits into memory."""
    said = f"bodies of {len(body):,} bytes" if body else "bodies of 60 bytes: no room for 2 KB"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{EVENTS:,} events, {said}, {FINISHED:,} of them with a delivery; the database has "
        f"{size_bytes(full.url) / _GIBIBYTE:.1f} GiB, the machine {memory / _GIBIBYTE:.1f} GiB"
    )


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


def _accept_row(ground: Ground, kind: Kind, full: Receiver, empty: Receiver, note: str) -> Row:
    # The keys that repetitions are compared with are in memory where a store is in use.
    count(full.hookkeeper.database_url, "dedupe", "length(key) > 0")
    for side in (full, empty):
        ground.wrk(side.hookkeeper.url, CONNECTIONS, ground.options.warm_up_seconds)
    pairs = ground.pairs(
        lambda: audited(ground, full.hookkeeper, CONNECTIONS, full.roots),
        lambda: audited(ground, empty.hookkeeper, CONNECTIONS, empty.roots),
    )
    note = f"{note}; the keys of the last seven days among them; warmed up"
    return compare(
        *(f"stored.{kind}.accept", "requests/s", pairs, ACCEPT, "an empty store"),
        reason=UNEXPLAINED,
        note=note,
    )


def _query_row(ground: Ground, name: str, filled: Filled, choose: Choose, note: str) -> Row:
    rounds = [_p95(filled, choose) for _ in range(ground.options.rounds)]
    note = f"p95 of {QUERIES} at random places; {note}; rows of events read once before, not bodies"
    return alone(name, "ms", rounds, QUERY, reason=UNEXPLAINED, note=note)


def _p95(filled: Filled, choose: Choose) -> float:
    taken = []
    for query in [choose(filled) for _ in range(QUERIES)]:
        started = time.perf_counter()
        query()
        taken.append((time.perf_counter() - started) * 1_000)
    return percentile(taken, 95)


def _list(filled: Filled) -> Callable[[], object]:
    """A page of a hundred by source, state and a day."""
    source, since = filled.chance.choice((BUSY, *SOURCES)), filled.some_day()
    state = filled.chance.choice((EventState.DISPATCHED, EventState.UNMATCHED))
    return lambda: _page(filled.database, source, state, since)


def _page(database: Database, source: str, state: EventState, since: int) -> None:
    until = since + DAY_MS
    found = queries.list_events(database, source=source, state=state, since=since, until=until)
    if not found:
        raise RuntimeError(f"{source} has no {state} events on a day")


def _find(filled: Filled) -> Callable[[], object]:
    """An event with its body, by its id, which is known without a look at the store."""
    event_id = filled.history.event_id(filled.chance.randrange(filled.history.events))
    return lambda: queries.get_event(filled.database, event_id)


_QUERIES: dict[str, Choose] = {"list": _list, "find": _find}
