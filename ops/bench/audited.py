"""A round of ours that counts: all that was acknowledged is stored, and all of that published."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ops.bench.backlog import fence, reading
from ops.bench.figures import Side
from ops.bench.ground import QUIET_SECONDS, Ground
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.load import Load, audit
from ops.bench.published import Published, audit_published

T = TypeVar("T")


class Audit:
    """Of one round, from its making on, for which what came before is waited for."""

    def __init__(self, ground: Ground, ours: Hookkeeper) -> None:
        self._ground, self._ours = ground, ours
        with reading(ours.database_url) as backlog:
            _, self._published = self._settled(backlog.newest)
        self._fence = fence()

    def check(self, load: Load, connections: int) -> None:
        """Compare what was acknowledged with what is stored, and that with what was published.

        Raises RuntimeError as ``load.audit`` and ``published.audit_published`` do.
        """
        with reading(self._ours.database_url) as backlog:
            stored, published = self._settled(lambda: backlog.count_since(self._fence))
        audit(load, stored, connections)
        audit_published(self._published, published, stored)

    def _settled(self, look: Callable[[], T]) -> tuple[T, Published]:
        """Look until neither the events nor what is published changes any more.

        Those that were on their way when a load ended are stored and published a moment later.
        """
        seen = [(look(), self._ours.published())]

        def stands_still() -> bool:
            time.sleep(QUIET_SECONDS)
            seen.append((look(), self._ours.published()))
            return seen[-1] == seen[-2]

        self._ground.wait_until(stands_still, "the last commits")
        return seen[-1]


def audited(ground: Ground, ours: Hookkeeper, connections: int, roots: Sequence[int]) -> Side:
    """One round of closed-loop load on ours. Raises RuntimeError as ``Audit.check`` does."""
    audit = Audit(ground, ours)
    side, found = ground.rate(ours.url, connections, roots)
    audit.check(found, connections)
    return side
