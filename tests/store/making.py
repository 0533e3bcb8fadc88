"""What the store's stories begin with: arrivals, dispatched events, workers, outcomes."""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from uuid_utils import uuid7

from ingest.events import (
    Accepted,
    Arrival,
    AttemptOutcome,
    AttemptResult,
    Claimed,
    DeliveryRef,
    DeliveryState,
    DestinationKind,
    Event,
    Settled,
    Target,
)
from ingest.header_pairs import headers_text
from ingest.store import Database, claims, dispatch, workers
from ingest.store.accept import accept

DAY_MS = 86_400_000
BODY = b'{"zen":"Keep it logically awesome."}'


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def new_id(at: int | None = None) -> str:
    """An id as it is made now, or was at another time (ms)."""
    made = str(uuid7())
    return made if at is None else f"{at >> 16:08x}-{at & 0xFFFF:04x}{made[13:]}"


def arrival(body: bytes = BODY, *, key: bytes | None = None, **changes: Any) -> Arrival:
    """A verified GitHub push; with a ``key`` it can be a duplicate, for a week.

    Its id is made when it is received, whenever that is.
    """
    made = Arrival(
        event_id=new_id(changes.get("received_at")),
        source="github",
        type="push",
        provider_event_id="72d3162e-cc78-11e3-81ab-4c9367dc0958",
        received_at=now_ms(),
        headers=headers_text((("X-GitHub-Event", "push"), ("X-Twice", "1"), ("x-twice", "2"))),
        query="a=1&a=2",
        content_type="application/json",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        trace_id="0af7651916cd43dd8448eb211c80319c",
        secret_name="env:GITHUB_WEBHOOK_SECRET",
        type_signed=False,  # GitHub says it in a header
        dedupe_key=key,
        dedupe_for_ms=None if key is None else 7 * DAY_MS,
    )
    return made._replace(**changes)


def key_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def accepted(database: Database, *arrivals: Arrival) -> list[Accepted]:
    """Accept arrivals of which none may be rejected."""
    answers = accept(database, arrivals)
    assert all(isinstance(answer, Accepted) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Accepted)]


def stored(database: Database, count: int = 1, **changes: Any) -> list[Event]:
    """Accept so many arrivals and return them as dispatch sees them."""
    answers = accepted(database, *(arrival(**changes) for _ in range(count)))
    return dispatch.undispatched(database, [answer.event_id for answer in answers])


def target(name: str) -> Target:
    return Target(name, DestinationKind.HTTP, "deliver")


def dispatched(
    database: Database, *destinations: str, count: int = 1, **changes: Any
) -> list[DeliveryRef]:
    """Accept so many events and fan each out to the destinations."""
    targets = tuple(target(name) for name in destinations)
    events = stored(database, count, **changes)
    return dispatch.dispatch(database, [(event, targets) for event in events])


def ids_of(rows: Sequence[DeliveryRef] | Sequence[Claimed]) -> list[str]:
    return [row.id if isinstance(row, DeliveryRef) else row.delivery_id for row in rows]


def a_worker(database: Database) -> str:
    worker_id = new_id()
    workers.register(database, worker_id, "somewhere", 4711)
    return worker_id


def claimed(database: Database, worker_id: str, refs: Sequence[DeliveryRef]) -> list[Claimed]:
    """Claim all of the deliveries, none of which may be refused."""
    found = claims.claim(database, worker_id, ids_of(refs), {})
    assert ids_of(found) == ids_of(refs)
    return found


SUCCESS = AttemptResult(AttemptOutcome.SUCCEEDED, status=200)
FAILURE = AttemptResult(AttemptOutcome.RETRYABLE, "http_503", "Service Unavailable", status=503)
REFUSAL = AttemptResult(AttemptOutcome.PERMANENT, "http_410", "Gone", status=410)
CRASH = AttemptResult(AttemptOutcome.CRASHED, "exit_1", "the child ended with status 1")


def settled(
    claim: Claimed,
    state: DeliveryState = DeliveryState.SUCCEEDED,
    result: AttemptResult = SUCCESS,
    wake_at: int | None = None,
) -> Settled:
    now = now_ms()
    return Settled(claim.delivery_id, claim.starts, state, wake_at, result, now - 5, now)


def execute(database: Database, statement: str, **values: Any) -> None:
    """Change rows behind the store's back, as time or a fault would."""
    with database.write() as tx:
        tx.execute(text(statement), values)


def rows(database: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.execute(text(statement), values)]


def one(database: Database, statement: str, **values: Any) -> Any:
    """The only value of the only row."""
    ((value,),) = rows(database, statement, **values)
    return value


def end_leases(database: Database) -> None:
    """Make every worker process look as if it had not renewed for its whole lease."""
    lease_clock = "lease_ms()"
    if database.dialect == "postgresql":
        lease_clock = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    execute(database, f"UPDATE workers SET lease_until = {lease_clock} - 1")
