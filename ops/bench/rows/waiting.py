"""A million deliveries that wait for their retry: what they cost, and whether due work starts.

Two whole pipelines, one of them with the backlog, are loaded in turn. Then some of the waiting
deliveries are made due one after the other, to a handler, whose starts are compared with that.
"""

import time
from contextlib import ExitStack

import sqlalchemy
from sqlalchemy import text

from ingest.store import migrate
from ops.bench.audited import audited
from ops.bench.backlog import count
from ops.bench.figures import (
    UNEXPLAINED,
    Row,
    Side,
    above_theirs_at_most,
    alone,
    at_most,
    compare,
    difference,
    ratio_at_least,
    row,
)
from ops.bench.filling import add_waiting
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.processes import resident_bytes
from ops.bench.rows.stored import CONNECTIONS, Receiver, receiving

WAITING = 1_000_000
COMMANDS = ("worker", "scheduler")
HANDLERS = '''
from ingest import Event, on


@on("nothing", name="due")
def due(event: Event) -> None:
    """Do nothing."""
'''
DUE = 100
DUE_EVERY_MS = 100
#: The others' first is due when everything here is over.
FIRST_DUE_MS = 3_600_000
MEBIBYTE = 2**20
_DRAIN_SECONDS = 120.0
SLOWER = "pairs of equal sides differ by some 5 % on two shared cores: compare the costs"
LARGER = "not taken apart; compare the growth beside a smaller backlog before blaming this one"

_MAKE_DUE = """
UPDATE deliveries SET destination = 'due', kind = 'python', queue = 'process', due_at = :at,
wake_at = :at WHERE id = :id AND state = 'waiting'
"""
_STARTED = """
SELECT attempts.started_at - deliveries.due_at FROM deliveries
JOIN attempts ON attempts.delivery_id = deliveries.id AND attempts.number = 2
WHERE deliveries.destination = 'due' AND deliveries.due_at >= :first
AND deliveries.state = 'succeeded'
"""


def measure(ground: Ground) -> list[Row]:
    """Return, for each database, the accept rate, the delay of due work, and the memory."""
    return [one for kind in KINDS for one in _on(ground, kind)]


def _on(ground: Ground, kind: Kind) -> list[Row]:
    with ExitStack() as stack:
        full, empty = (stack.enter_context(ground.database(kind)) for _ in range(2))
        migrate(full.url)
        add_waiting(full.url, WAITING, FIRST_DUE_MS)
        ours, theirs = (
            stack.enter_context(receiving(ground, database, *COMMANDS, handlers=HANDLERS))
            for database in (full, empty)
        )
        rows = [_accept_row(ground, kind, ours, theirs)]
        latest, resident = [], []
        for _ in range(ground.options.rounds):
            latest.append(_latest_start(ground, full.url))
            resident.append((_resident(ours), _resident(theirs)))
        return [*rows, _due_row(kind, latest), _memory_row(kind, resident)]


def _accept_row(ground: Ground, kind: Kind, full: Receiver, empty: Receiver) -> Row:
    for side in (full, empty):
        ground.wrk(side.hookkeeper.url, CONNECTIONS, ground.options.warm_up_seconds)
        _drain(ground, side)
    pairs = ground.pairs(lambda: _round(ground, full), lambda: _round(ground, empty))
    return compare(
        *(f"waiting.{kind}.accept", "requests/s", pairs, ratio_at_least(0.95)),
        "the same without what waits",
        reason=SLOWER,
        note=f"{WAITING:,} waiting; worker and scheduler run on both sides",
    )


def _round(ground: Ground, receiver: Receiver) -> Side:
    """Load one side, and let its worker finish before the other side is loaded."""
    side = audited(ground, receiver.hookkeeper, CONNECTIONS, receiver.roots)
    _drain(ground, receiver)
    return side


def _drain(ground: Ground, receiver: Receiver) -> None:
    url = receiver.hookkeeper.database_url
    stored = "(SELECT 1 FROM events WHERE state = 'stored' LIMIT 1) AS one"
    ground.wait_until(lambda: not count(url, stored), "the dispatch", _DRAIN_SECONDS)


def _latest_start(ground: Ground, url: str) -> float:
    """Make some deliveries due, one after the other; the longest wait for a start, in seconds."""
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as tx:
            some = text("SELECT id FROM deliveries WHERE state = 'waiting' LIMIT :limit")
            ids = list(tx.execute(some, {"limit": DUE}).scalars())
        first = time.time_ns() // 1_000_000 + 2_000
        with engine.begin() as tx:
            moments = [
                {"id": id_, "at": first + number * DUE_EVERY_MS} for number, id_ in enumerate(ids)
            ]
            tx.execute(text(_MAKE_DUE), moments)
        ended = f"destination = 'due' AND due_at >= {first} AND state = 'succeeded'"
        ground.wait_until(
            lambda: count(url, "deliveries", ended) == DUE, "the due deliveries", 60.0
        )
        with engine.begin() as tx:
            started = tx.execute(text(_STARTED), {"first": first})
            return max(int(delay) for delay in started.scalars()) / 1_000
    finally:
        engine.dispose()


def _due_row(kind: Kind, latest: list[float]) -> Row:
    note = f"the latest of {DUE} that came due among {WAITING:,}, one every {DUE_EVERY_MS} ms; "
    note += f"{max(latest):.2f} s in the worst round"
    return alone(f"waiting.{kind}.due", "s", latest, at_most(2, "s"), reason=UNEXPLAINED, note=note)


def _resident(receiver: Receiver) -> float:
    """MiB of the worker and the scheduler."""
    processes = receiver.hookkeeper.processes[1:]
    return sum(resident_bytes([process.pid]) for process in processes) / MEBIBYTE


def _memory_row(kind: Kind, resident: list[tuple[float, float]]) -> Row:
    """After the same work, with and without the backlog."""
    spelled = ", ".join(f"{ours:.0f} / {theirs:.0f}" for ours, theirs in resident)
    reason = f"{difference(resident):.1f} MiB more in the median of the pairs; {LARGER}"
    return row(
        *(f"waiting.{kind}.memory", "MiB", resident, above_theirs_at_most(10, "MiB")),
        "the same without what waits",
        reason=reason,
        note=f"worker and scheduler, resident, after each round of `due`: {spelled}",
    )
