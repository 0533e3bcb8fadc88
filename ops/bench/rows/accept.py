"""How many events a second one web process accepts: ours against a bare Starlette.

Ours verifies, deduplicates, commits with fsync, publishes and logs each of them; the other side
reads the body. Whatever processes ours starts, and its servers, count as its CPU time.
"""

from collections.abc import Sequence

from ops.bench.audited import Audit, audited
from ops.bench.figures import Pair, Row, Side, compare, ratio_at_least
from ops.bench.ground import KINDS, Ground, Kind, Server
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.openloop import Offer, offer
from ops.bench.spending import Meter

CONNECTIONS = (64, 256)
SEGMENTED_CONNECTIONS = 64
TARGET = ratio_at_least(0.5)
REASON = (
    "ours verifies, keeps, publishes and logs, on the cores that it shares with wrk and the "
    "database; the other side reads and answers"
)
SEGMENTED = "head and body apart, by the open-loop generator with more than it can get rid of"
_MORE_THAN_ANY = 40_000.0  # requests a second, several times what the generator can send


def measure(ground: Ground) -> list[Row]:
    """Return a row for each database and number of connections, and one of parted requests."""
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
        return [
            *(_row(ground, kind, number, ours, roots, bare) for number in CONNECTIONS),
            _segmented(ground, kind, ours, roots, bare),
        ]


def _row(
    ground: Ground, kind: Kind, connections: int, ours: Hookkeeper, roots: list[int], bare: Server
) -> Row:
    for url in (ours.url, bare.url):
        ground.wrk(url, connections, ground.options.warm_up_seconds)
    pairs = ground.pairs(
        lambda: audited(ground, ours, connections, roots),
        lambda: ground.rate(bare.url, connections, bare.roots)[0],
    )
    name = f"accept.{kind}.{connections}"
    ground.tell(f"{name}: {spelled(pairs)}")
    return compare(name, "requests/s", pairs, TARGET, "bare Starlette + uvicorn", reason=REASON)


def _segmented(ground: Ground, kind: Kind, ours: Hookkeeper, roots: list[int], bare: Server) -> Row:
    """The same where a body comes after its head, as bodies larger than a packet do."""

    def our_round() -> Side:
        audit = Audit(ground, ours)
        found, side = _saturated(ground, ours.url, roots)
        audit.check(found.load, SEGMENTED_CONNECTIONS)
        return side

    pairs = ground.pairs(our_round, lambda: _saturated(ground, bare.url, bare.roots)[1])
    name = f"accept.{kind}.segmented"
    ground.tell(f"{name}: {spelled(pairs)}")
    against = "bare Starlette + uvicorn, head and body apart"
    return compare(name, "requests/s", pairs, TARGET, against, reason=REASON, note=SEGMENTED)


def _saturated(ground: Ground, url: str, roots: Sequence[int]) -> tuple[Offer, Side]:
    meter = Meter(roots)
    found = offer(
        *(url, _MORE_THAN_ANY, ground.options.seconds, ground.home, SEGMENTED_CONNECTIONS),
        is_segmented=True,
    )
    spent, load = meter.read("generator", found.cpu_seconds), found.load
    return found, Side(load.acknowledged, load.seconds, spent.total, load.failures, spent)


def spelled(pairs: list[Pair]) -> str:
    """Return the rates of pairs for a person who watches."""
    return ", ".join(f"{pair.ours.rate:,.0f} / {pair.theirs.rate:,.0f}" for pair in pairs)
