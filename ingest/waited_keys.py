"""Published keys for work that may wait for them: a command, or a thread of the console.

The receiver's own keys (``key_fetching.py``) belong to its event loop. This runs one of its own,
and only once a key is asked for.
"""

import asyncio
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from ingest.addresses import Network
from ingest.key_fetching import KeyFetcher
from ingest.outbound import Door
from ingest.verify.key_set import KeySet, NeedsKey

_IDLE_CONNECTIONS = 1


class WaitedKeys:
    """Use as a context manager, in a thread without an event loop.

    ``allow`` names private networks that keys may come from.
    """

    def __init__(self, allow: Iterable[Network] = ()) -> None:
        self._allow = allow
        self._runner = asyncio.Runner()
        self._door: Door | None = None
        self._fetcher: KeyFetcher | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._fetcher is not None and self._door is not None:
            self._runner.run(self._fetcher.close())
            self._runner.run(self._door.close())
        self._runner.close()

    def fetch(self, needs: NeedsKey) -> KeySet:
        """Return every key that there is after asking for these; never raises for an outage."""
        return self._runner.run(self._fetch(needs))

    async def _fetch(self, needs: NeedsKey) -> KeySet:
        if self._fetcher is None:
            self._door = Door(_IDLE_CONNECTIONS)
            self._fetcher = KeyFetcher(self._door, _now, self._allow)
        await self._fetcher.ensure(needs)
        return self._fetcher.snapshot()


def _now() -> int:
    return time.time_ns() // 1_000_000
