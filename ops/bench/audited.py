"""A round of ours that counts: all that was acknowledged is stored, and all of that published."""

from collections.abc import Sequence

from ops.bench.backlog import fence, reading
from ops.bench.figures import Side
from ops.bench.ground import QUIET_SECONDS, Ground
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.load import Load, audit
from ops.bench.published import Published, audit_published


class Audit:
    """Of one round, from its making on. There must be no load on ours then."""

    def __init__(self, ground: Ground, ours: Hookkeeper) -> None:
        self._ground, self._ours = ground, ours
        self._fence, self._published = fence(), ours.published()

    def check(self, load: Load, connections: int) -> None:
        """Compare what was acknowledged with what is stored, and that with what was published.

        Raises RuntimeError as ``load.audit`` and ``published.audit_published`` do.
        """
        stored, published = self._settled()
        audit(load, stored, connections)
        audit_published(self._published, published, stored)

    def _settled(self) -> tuple[int, Published]:
        """Count once those that were on their way when the load ended are there."""
        with reading(self._ours.database_url) as backlog:
            seen = [(-1, self._published)]

            def stands_still() -> bool:
                seen.append((backlog.count_since(self._fence), self._ours.published()))
                return seen[-1] == seen[-2]

            self._ground.wait_until(stands_still, "the last commits", pause_seconds=QUIET_SECONDS)
        return seen[-1]


def audited(ground: Ground, ours: Hookkeeper, connections: int, roots: Sequence[int]) -> Side:
    """One round of closed-loop load on ours. Raises RuntimeError as ``Audit.check`` does."""
    audit = Audit(ground, ours)
    side, found = ground.rate(ours.url, connections, roots)
    audit.check(found, connections)
    return side
