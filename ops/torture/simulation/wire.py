"""The broker as bad as it may be: it loses messages, doubles them, and keeps no order."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.events import DeliveryRef
from ingest.jobs.states import JobRef
from ops.torture.simulation.chance import Chance

LOST, DOUBLED = 0.08, 0.08
#: Deliveries in a message, so that neighbours share one (100 in production).
TOGETHER = 4


@dataclass(frozen=True, slots=True)
class Message:
    """What a worker takes. ``work``: events, deliveries or job."""

    work: str
    ids: tuple[str, ...]


class Wire:
    """Messages on their way. ``honest``: nothing is lost or doubled any more."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.messages: list[Message] = []
        self.down = False
        self.honest = False

    def publish_events(self, ids: Sequence[str]) -> None:
        """Ask for the dispatch of events."""
        for at in range(0, len(ids), TOGETHER):
            self._put(Message("events", tuple(ids[at : at + TOGETHER])))

    def publish_deliveries(self, refs: Sequence[DeliveryRef]) -> None:
        """Ask for deliveries: those of one destination together, suspects alone."""
        together: dict[str, list[str]] = {}
        for ref in refs:
            if ref.alone:
                self._put(Message("deliveries", (ref.id,)))
            else:
                together.setdefault(ref.destination, []).append(ref.id)
        for ids in together.values():
            for at in range(0, len(ids), TOGETHER):
                self._put(Message("deliveries", tuple(ids[at : at + TOGETHER])))

    def publish_jobs(self, refs: Sequence[JobRef]) -> None:
        """Ask for jobs, each by itself."""
        for ref in refs:
            self._put(Message("job", (ref.id,)))

    def take(self) -> Message | None:
        """Hand out a message, any of them: order is not promised."""
        if self.down or not self.messages:
            return None
        return self.messages.pop(self._chance.randrange(len(self.messages)))

    def flush(self) -> None:
        """Forget everything, as FLUSHALL does."""
        self.messages.clear()

    def _put(self, message: Message) -> None:
        if self.down or (not self.honest and self._chance.happens(LOST)):
            return
        self.messages.append(message)
        if not self.honest and self._chance.happens(DOUBLED):
            self.messages.append(message)
