"""How the writer keeps rejected requests: best effort, and never before an arrival.

It keeps them when nothing else waits, or once a second while something always does. What the
receiver may send at once is in ``outstanding.py``.
"""

import time
from collections import Counter, deque
from collections.abc import Callable

import structlog

from ingest import metrics
from ingest.errors import HookkeeperError, RowRejected
from ingest.rejection import Fate, RejectedRequest
from ingest.store import Database
from ingest.store.rejected import keep

logger = structlog.get_logger(__name__)

_BATCH_REQUESTS = 64
_BATCH_BYTES = 1_000_000
_PATIENCE_SECONDS = 1.0


class Shelf:
    """The writer's: what waits to be kept, as its socket takes it in. ``clock``: seconds."""

    def __init__(
        self,
        waiting: deque[RejectedRequest],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = waiting
        self._clock = clock
        self._kept_at = clock()

    def due(self, *, busy: bool) -> bool:
        """Whether it is time to keep some. ``busy``: arrivals are being committed."""
        if not self._waiting:
            return False
        return not busy or self._clock() - self._kept_at >= _PATIENCE_SECONDS

    def keep(self, database: Database | None) -> int:
        """Keep the oldest, in one commit; returns how many are settled, kept or not."""
        batch = self._take()
        fates = _fates(database, batch)
        pairs = Counter((one.source, fate) for one, fate in zip(batch, fates, strict=True))
        for (source, fate), count in pairs.items():
            metrics.REJECTED_KEPT.labels(source, fate).inc(count)
        self._kept_at = self._clock()
        return len(batch)

    def _take(self) -> list[RejectedRequest]:
        batch: list[RejectedRequest] = []
        size = 0
        while self._waiting and len(batch) < _BATCH_REQUESTS and size < _BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += batch[-1].size
        return batch


def _fates(database: Database | None, batch: list[RejectedRequest]) -> list[Fate]:
    """Keep a batch in one commit; one that the database cannot hold does not take others along."""
    lost = [Fate.UNAVAILABLE] * len(batch)
    if database is None:
        return lost
    try:
        keep(database, batch)
    except RowRejected as error:
        if len(batch) > 1:
            return [fate for one in batch for fate in _fates(database, [one])]
        logger.warning("rejected.not_storable", trace_id=batch[0].trace_id, reason=str(error))
        return lost
    except HookkeeperError as error:
        logger.warning("rejected.not_kept", requests=len(batch), reason=str(error))
        return lost
    except Exception:
        logger.exception("rejected.failed", requests=len(batch))
        return lost
    return [Fate.KEPT] * len(batch)
