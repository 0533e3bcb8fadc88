"""What is not Hookkeeper's: senders and what they were told, and what deliveries did out there.

This is the log against which the database is judged. Nothing here is ever forgotten.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass, field

from ingest import inbox
from ingest.events import Event

#: Where events of each type go. `poison` kills whoever runs its handler.
ROUTES = {
    "order": ("shop", "hook"),
    "bulk": ("capped", "flaky", "gone"),
    "poison": ("shop", "hook"),
    "ping": (),
}
CAPS = {"capped": 2}
JOB_CAPS = {"steady": 3}


@dataclass(slots=True)
class Sent:
    """One message of a provider, and what it was told about it."""

    key: bytes
    type: str
    body: bytes
    provider_event_id: str
    acknowledged: set[str] = field(default_factory=set)


class Outside:
    """Everything that happened outside of Hookkeeper."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        #: How often a destination took a delivery and said so, by the delivery's id.
        self.taken: Counter[str] = Counter()
        #: Under which idempotency keys it was sent.
        self.keys: dict[str, set[str]] = {}
        #: How often a job did what it is for, by its id.
        self.done: Counter[str] = Counter()
        #: What each start of a delivery came to, by the delivery's id and the start's number.
        self.came_to: dict[tuple[str, int], str] = {}
        #: How many workers a delivery or job has killed.
        self.killed: Counter[str] = Counter()
        self.asked_to_stop: set[str] = set()
        self.shop = sqlite3.connect(":memory:")
        inbox.create_table(self.shop)
        self.shop.execute("CREATE TABLE effects (event_id TEXT, generation INTEGER)")

    def book(self, event: Event) -> None:
        """Run the handler `shop`: its effect and the inbox's mark are one transaction."""
        with self.shop:
            if inbox.claim(self.shop, event, handler="shop"):
                values = (event.id, event.generation)
                self.shop.execute("INSERT INTO effects VALUES (?, ?)", values)

    def post(self, delivery_id: str, event: Event) -> None:
        """Receive a delivery by HTTP, and accept it."""
        self.taken[delivery_id] += 1
        self.keys.setdefault(delivery_id, set()).add(f"{event.id}.{event.generation}")

    def close(self) -> None:
        """Close the shop."""
        self.shop.close()
