"""The log of what is dropped in floods: a line a second for each cause, with a count.

A line each would cost more than the dropping, and fill the disk just when it is needed.
"""

import asyncio
from collections import Counter

import structlog

logger = structlog.get_logger(__name__)

_SECONDS = 1.0


class Shed:
    """Counts by source and reason. Used on the event loop only. ``event``: the line's name."""

    def __init__(self, event: str = "requests.shed") -> None:
        self._event = event
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, source: str, reason: str) -> None:
        """Count one request; the first of a second begins the line."""
        if not self._counts:
            asyncio.get_running_loop().call_later(_SECONDS, self._say)
        self._counts[source, reason] += 1

    def _say(self) -> None:
        counts, self._counts = self._counts, Counter()
        for (source, reason), count in counts.items():
            logger.warning(self._event, source=source, reason=reason, requests=count)
