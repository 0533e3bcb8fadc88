"""How many events a second ours accepts, against what else people put behind a webhook's URL.

The peers read the body, enqueue it in a Redis of their own and answer 202: they verify nothing
and store nothing. Each runs in its own environment. A round runs every side once, in an order
that turns, and compares ours with the best peer of that round.
"""

from collections.abc import Callable
from contextlib import ExitStack

import redis

from ops.bench import environments
from ops.bench.figures import Pair, Row, Side, compare, ratio_at_least
from ops.bench.ground import KINDS, Ground, Kind, Server
from ops.bench.machine import PEERS
from ops.bench.rows.accept import audited

CONNECTIONS = 64
TARGET = ratio_at_least(3, "x")
NAMES = {
    "fastapi_arq": "FastAPI + ARQ",
    "fastapi_celery": "FastAPI + Celery",
    "fastapi_rq": "FastAPI + RQ",
    "starlette_dramatiq": "Starlette + Dramatiq",
}


def measure(ground: Ground) -> list[Row]:
    """Return ours on each database against the best peer, and ours on SQLite against each."""
    with ExitStack() as stack:
        sides: dict[str, Callable[[], Side]] = {kind: _ours(ground, stack, kind) for kind in KINDS}
        sides |= {name: _peer(ground, stack, name) for name in NAMES}
        for run in sides.values():
            run()  # warms up
        rounds = [_round(ground, sides, number) for number in range(ground.options.rounds)]
    return [_against_best(kind, rounds) for kind in KINDS] + [
        compare(
            f"peers.{name.partition('_')[2]}",
            "requests/s",
            [Pair(found["sqlite"], found[name]) for found in rounds],
            TARGET,
            said,
            "ours on SQLite",
        )
        for name, said in NAMES.items()
    ]


def _round(ground: Ground, sides: dict[str, Callable[[], Side]], number: int) -> dict[str, Side]:
    names = list(sides)
    turned = names[number % len(names) :] + names[: number % len(names)]
    found = {name: sides[name]() for name in turned}
    ground.tell("  ".join(f"{name} {found[name].rate:,.0f}" for name in names))
    return found


def _against_best(kind: Kind, rounds: list[dict[str, Side]]) -> Row:
    best = [max(NAMES, key=lambda name: found[name].rate) for found in rounds]
    pairs = [Pair(found[kind], found[name]) for found, name in zip(rounds, best, strict=True)]
    said = ", ".join(NAMES[name] for name in sorted(set(best)))
    return compare(f"peers.{kind}.best", "requests/s", pairs, TARGET, f"the best peer: {said}")


def _ours(ground: Ground, stack: ExitStack, kind: Kind) -> Callable[[], Side]:
    database = stack.enter_context(ground.database(kind))
    broker = stack.enter_context(ground.redis())
    ours = stack.enter_context(ground.hookkeeper(database.url, broker.url))
    roots = [*ours.roots, *database.roots, *broker.roots]

    def run() -> Side:
        side, _ = audited(ground, ours, CONNECTIONS, roots)
        _empty(broker)
        return side

    return run


def _peer(ground: Ground, stack: ExitStack, name: str) -> Callable[[], Side]:
    broker = stack.enter_context(ground.redis())
    python = environments.python_of(PEERS / f"{name}.txt")
    environ = {"BROKER_URL": broker.url, "PYTHONPATH": str(PEERS), "PATH": str(python.parent)}
    server = stack.enter_context(ground.uvicorn(python, f"{name}:app", ground.home, environ))
    roots = [*server.roots, *broker.roots]

    def run() -> Side:
        side, found = ground.rate(server.url, CONNECTIONS, roots)
        if found.failures:
            raise RuntimeError(f"{NAMES[name]} failed {found.failures} requests")
        _empty(broker)
        return side

    return run


def _empty(broker: Server) -> None:
    """Forget what a round enqueued: nobody consumes it, and a queue must not grow for ever."""
    with redis.Redis.from_url(broker.url) as client:
        client.flushdb()
