"""What the actors' stories begin with: a delivery as a worker holds it."""

import time
from collections.abc import Sequence

from uuid_utils import uuid7

from actors.batch import Batch
from ingest.events import Claimed, DestinationKind, Event

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def event(body: bytes = b"{}") -> Event:
    """A verified GitHub push."""
    return Event(
        id=str(uuid7()),
        source="github",
        type="push",
        provider_event_id=None,
        received_at=time.time_ns() // 1_000_000,
        headers=(("X-GitHub-Event", "push"),),
        query="",
        content_type="application/json",
        body=body,
        trace_id=TRACE_ID,
    )


def claimed(destination: str, *, body: bytes = b"{}", crashes: int = 0) -> Claimed:
    """A delivery of it to a Python handler, started for the first time since its crashes."""
    made = event(body)
    return Claimed(
        delivery_id=str(uuid7()),
        event=made,
        destination=destination,
        kind=DestinationKind.PYTHON,
        queue="process",
        generation=0,
        starts=crashes + 1,
        attempts=0,
        crashes=crashes,
        created_at=made.received_at,
        started_at=made.received_at,
        waited_ms=0,
    )


class Unrecorded(Batch):
    """A batch without a database: everything is left for its end."""

    def __init__(self, deliveries: Sequence[Claimed]) -> None:
        super().__init__(deliveries, lambda _outcomes: None)

    def record_finished(self) -> None:
        """Record nothing on the way."""
