"""How many events a second ours accepts, against what else people put behind a webhook's URL.

The peers read the body, enqueue it in a Redis of their own and answer 202: they verify nothing
and store nothing. Each runs in its own environment. A round runs every side once, in an order
that turns, and compares ours with the best peer of that round; all of it for each number of
connections.
"""

from collections.abc import Callable
from contextlib import ExitStack

import redis

from ops.bench import environments
from ops.bench.audited import audited
from ops.bench.figures import Pair, Row, Side, compare, ratio_at_least
from ops.bench.ground import KINDS, Ground, Kind, Server
from ops.bench.machine import PEERS
from ops.bench.rows.accept import CONNECTIONS

TARGET = ratio_at_least(3, "x")
REASON = "ours verifies and keeps what the best peer only enqueues, on the same cores as wrk"
#: One round of a side with so many connections.
Run = Callable[[int], Side]
NAMES = {
    "fastapi_arq": "FastAPI + ARQ",
    "fastapi_celery": "FastAPI + Celery",
    "fastapi_rq": "FastAPI + RQ",
    "starlette_dramatiq": "Starlette + Dramatiq",
}


def measure(ground: Ground) -> list[Row]:
    """Return ours on each database against the best peer, and ours on SQLite against each."""
    with ExitStack() as stack:
        sides: dict[str, Run] = {kind: _ours(ground, stack, kind) for kind in KINDS}
        sides |= {name: _peer(ground, stack, name) for name in NAMES}
        return [row for number in CONNECTIONS for row in _with(ground, sides, number)]


def _with(ground: Ground, sides: dict[str, Run], connections: int) -> list[Row]:
    for run in sides.values():
        run(connections)  # warms up
    rounds = [_round(ground, sides, turn, connections) for turn in range(ground.options.rounds)]
    best = [_against_best(kind, rounds, connections) for kind in KINDS]
    return best + [_against(name, rounds, connections) for name in NAMES]


def _round(ground: Ground, sides: dict[str, Run], turn: int, connections: int) -> dict[str, Side]:
    names = list(sides)
    turned = names[turn % len(names) :] + names[: turn % len(names)]
    found = {name: sides[name](connections) for name in turned}
    ground.tell("  ".join(f"{name} {found[name].rate:,.0f}" for name in names))
    return found


def _against_best(kind: Kind, rounds: list[dict[str, Side]], connections: int) -> Row:
    best = [max(NAMES, key=lambda name: found[name].rate) for found in rounds]
    pairs = [Pair(found[kind], found[name]) for found, name in zip(rounds, best, strict=True)]
    said = ", ".join(NAMES[name] for name in sorted(set(best)))
    return compare(
        *(f"peers.best.{kind}.{connections}", "requests/s", pairs, TARGET),
        f"the best peer: {said}",
        reason=REASON,
    )


def _against(name: str, rounds: list[dict[str, Side]], connections: int) -> Row:
    pairs = [Pair(found["sqlite"], found[name]) for found in rounds]
    return compare(
        *(f"peers.{name.partition('_')[2]}.{connections}", "requests/s", pairs, TARGET),
        NAMES[name],
        reason=REASON,
        note="ours on SQLite",
    )


def _ours(ground: Ground, stack: ExitStack, kind: Kind) -> Run:
    database = stack.enter_context(ground.database(kind))
    broker = stack.enter_context(ground.redis())
    ours = stack.enter_context(ground.hookkeeper(database.url, broker.url))
    roots = [*ours.roots, *database.roots, *broker.roots]

    def run(connections: int) -> Side:
        return audited(ground, ours, connections, roots)

    return run


def _peer(ground: Ground, stack: ExitStack, name: str) -> Run:
    broker = stack.enter_context(ground.redis())
    python = environments.python_of(PEERS / f"{name}.txt")
    environ = {"BROKER_URL": broker.url, "PYTHONPATH": str(PEERS), "PATH": str(python.parent)}
    server = stack.enter_context(ground.uvicorn(python, f"{name}:app", ground.home, environ))
    roots = [*server.roots, *broker.roots]

    def run(connections: int) -> Side:
        side, found = ground.rate(server.url, connections, roots)
        if found.failures:
            raise RuntimeError(f"{NAMES[name]} failed {found.failures} requests")
        _empty(broker)
        return side

    return run


def _empty(broker: Server) -> None:
    """Forget what a round enqueued: nobody consumes it, and a queue must not grow for ever."""
    with redis.Redis.from_url(broker.url) as client:
        client.flushdb()
