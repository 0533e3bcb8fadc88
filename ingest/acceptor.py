"""What the receiver needs of others: to have arrivals committed, and to know published keys."""

from collections.abc import Callable
from typing import Protocol

from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.learning import Lesson
from ingest.rejection import RejectedRequest
from ingest.verify.key_set import NO_KEYS, KeySet, NeedsKey

#: What became of an arrival.
Stored = Accepted | StoreUnavailable | RowRejected


class Acceptor(Protocol):
    """What the receiver needs of the writer."""

    @property
    def away(self) -> bool:
        """Whether nobody is there to commit anything."""

    @property
    def full(self) -> bool:
        """Whether one more would wait in vain."""

    async def accept(self, arrival: Arrival | Lesson) -> Accepted:
        """Return after the commit. Raises StoreUnavailable and RowRejected."""

    def submit(self, arrival: Arrival | Lesson, done: Callable[[Stored], None]) -> None:
        """Call ``done`` once, after the commit or with why there was none."""

    def keep(self, request: RejectedRequest) -> bool:
        """Have a rejected request stored sometime; False where it cannot be taken."""


class PublishedKeys(Protocol):
    """What the receiver needs of the keys that providers publish (``key_fetching.py``)."""

    def snapshot(self) -> KeySet:
        """Every key there is now; called on the event loop."""

    async def ensure(self, needs: NeedsKey) -> None:
        """Return when there is no more to wait for."""

    async def confirm(self, url: str, /) -> bool:
        """Fetch an address as a provider asked; whether it was answered with success."""


class NoPublishedKeys:
    """For a receiver whose sources need none: nothing is fetched."""

    def snapshot(self) -> KeySet:
        """No key."""
        return NO_KEYS

    async def ensure(self, needs: NeedsKey) -> None:
        """Nothing to wait for."""

    async def confirm(self, _url: str, /) -> bool:
        """Nothing is fetched, so nothing confirmed."""
        return False
