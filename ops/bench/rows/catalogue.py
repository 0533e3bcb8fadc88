"""What a large configuration costs: 300 sources, each of another provider, beside 5.

Both sides accept GitHub's events. An entry is compiled when a source uses it, so the first side
holds 60 times as many; and both start within a second.
"""

import time
from functools import partial

from ingest.verify import load_catalogue
from ingest.verify.usable import usable
from ops.bench import request
from ops.bench.audited import audited
from ops.bench.figures import Row, alone, at_most, compare, ratio_at_least
from ops.bench.ground import Ground
from ops.bench.hookkeeper import CONFIG
from ops.bench.processes import cpu_seconds
from ops.bench.rows.accept import spelled

MANY, FEW = 300, 5
CONNECTIONS = 64
#: What chance does to a pair of equal sides on a shared machine.
TARGET = ratio_at_least(0.95)
START = at_most(1.0, "s")
REASON = "pairs of equal sides differ by some 5 % on two shared cores: compare the costs"
START_REASON = (
    "two interpreters start after each other, receiver and writer, and each spends most of its "
    "time on imports (pydantic, cryptography and SQLAlchemy above all)"
)
_SOURCE = '\n[sources.{0}]\nprovider = "{0}"\nsecrets = ["file:secret"]\n'


def measure(ground: Ground) -> list[Row]:
    """Return the rate of many sources against few, and the start with either."""
    return [_accepting(ground), *(_starting(ground, number) for number in (FEW, MANY))]


def config(number: int) -> str:
    """Make a configuration of so many sources, GitHub's first. Raises ValueError for too many."""
    known = load_catalogue()
    held = (slug for slug in known if slug != "github" and _fits(slug))
    more = [slug for slug, _ in zip(held, range(number - 1), strict=False)]
    if len(more) + 1 < number:
        raise ValueError(f"the catalogue has only {len(more) + 1} providers of such a secret")
    return CONFIG + "".join(map(_SOURCE.format, more))


def _fits(slug: str) -> bool:
    entry = load_catalogue()[slug]
    return entry.family != "none" and usable(entry, request.SECRET)


def _accepting(ground: Ground) -> Row:
    with (
        ground.database("sqlite") as first,
        ground.database("sqlite") as second,
        ground.redis() as redis,
        ground.hookkeeper(first.url, redis.url, config=config(MANY)) as many,
        ground.hookkeeper(second.url, redis.url, config=config(FEW)) as few,
    ):
        for side in (many, few):
            ground.wrk(side.url, CONNECTIONS, ground.options.warm_up_seconds)
        pairs = ground.pairs(
            lambda: audited(ground, many, CONNECTIONS, many.roots),
            lambda: audited(ground, few, CONNECTIONS, few.roots),
        )
    name = f"catalogue.accept.{MANY}"
    ground.tell(f"{name}: {spelled(pairs)}")
    against = f"{FEW} sources"
    return compare(name, "requests/s", pairs, TARGET, against, reason=REASON)


def _starting(ground: Ground, number: int) -> Row:
    with ground.database("sqlite") as database, ground.redis() as redis:
        start = partial(ground.hookkeeper, database.url, redis.url, config=config(number))
        with start():  # migrates, and compiles what is not compiled
            pass
        values, spent = [], []
        for _ in range(ground.options.rounds):
            began = time.perf_counter()
            with start(migrate=False) as running:
                values.append(time.perf_counter() - began)
                spent.append(cpu_seconds(running.roots))
    name = f"catalogue.start.{number}"
    note = f"{sorted(spent)[len(spent) // 2]:.2f} s of CPU time, web and writer"
    ground.tell(f"{name}: {', '.join(f'{value:.2f}' for value in values)} s; {note}")
    return alone(name, "s", values, START, reason=f"{START_REASON}; this run: {note}", note=note)
