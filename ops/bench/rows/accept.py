"""How many events a second one web process accepts: ours against a bare Starlette.

Ours verifies, deduplicates, commits with fsync, publishes and logs each of them; the other side
reads the body. Whatever processes ours starts, and its servers, count as its CPU time.
"""

from ops.bench.figures import Pair, Row, Side, compare, ratio_at_least
from ops.bench.ground import KINDS, Ground, Kind, Server, count
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.load import Load, audit

CONNECTIONS = (64, 256)
_QUIET_SECONDS = 0.2  # many times what a commit takes
TARGET = ratio_at_least(0.5)
REASON = (
    "both cores are busy all the time: a request costs 130 to 200 us of CPU in the web process "
    "(in bare Starlette some 50) and 70 to 110 us in the writer; wrk and the database take the rest"
)


def measure(ground: Ground) -> list[Row]:
    """Return a row for each database and each number of connections."""
    return [row for kind in KINDS for row in _on(ground, kind)]


def _on(ground: Ground, kind: Kind) -> list[Row]:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url) as ours,
        ground.bare() as bare,
    ):
        ours.check_dedupe()
        roots = [*ours.roots, *database.roots, *redis.roots]
        return [_row(ground, kind, number, ours, roots, bare) for number in CONNECTIONS]


def _row(
    ground: Ground, kind: Kind, connections: int, ours: Hookkeeper, roots: list[int], bare: Server
) -> Row:
    failures = 0

    def our_round() -> Side:
        nonlocal failures
        side, found = audited(ground, ours, connections, roots)
        failures += found.failures
        return side

    for url in (ours.url, bare.url):
        ground.wrk(url, connections, ground.options.warm_up_seconds)
    pairs = ground.pairs(our_round, lambda: ground.rate(bare.url, connections, bare.roots)[0])
    note = f"{failures} requests failed" if failures else ""
    name = f"accept.{kind}.{connections}"
    ground.tell(f"{name}: {spelled(pairs)}")
    return compare(
        *(name, "requests/s", pairs, TARGET, "bare Starlette + uvicorn"), reason=REASON, note=note
    )


def audited(
    ground: Ground, ours: Hookkeeper, connections: int, roots: list[int]
) -> tuple[Side, Load]:
    """One round of ours, compared with what the database has before and afterwards.

    Raises RuntimeError as ``load.audit`` does.
    """
    before = _settled(ground, ours.database_url)
    side, found = ground.rate(ours.url, connections, roots)
    audit(found, _settled(ground, ours.database_url) - before, connections)
    return side, found


def _settled(ground: Ground, database_url: str) -> int:
    """Count the events, once those that were on their way when wrk stopped are stored."""
    counts = [count(database_url)]

    def stands_still() -> bool:
        counts.append(count(database_url))
        return counts[-1] == counts[-2]

    ground.wait_until(stands_still, "the last commits", pause_seconds=_QUIET_SECONDS)
    return counts[-1]


def spelled(pairs: list[Pair]) -> str:
    """Return the rates of pairs for a person who watches."""
    return ", ".join(f"{pair.ours.rate:,.0f} / {pair.theirs.rate:,.0f}" for pair in pairs)
