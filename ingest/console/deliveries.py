"""Deliveries and dead letters: listed, looked at with their attempts, replayed."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from ingest.console.answering import Answer, Page
from ingest.console.asking import AfterId, Asked, Id, IdempotencyKey, Limit, Name, whole_id
from ingest.console.desk import Desk
from ingest.console.operations import Operation, reply
from ingest.events import AttemptOutcome, DeliveryState, DestinationKind
from ingest.store import queries
from ingest.store.queries import DeliveryRow, Position
from ingest.store.replay import replay_delivery

_PATH = "/api/v1/deliveries"
#: Where a page begins: the ``wake_at`` and the id of the last row of the page before.
Place = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,15}~[0-9a-f-]{36}$", description="`next` of the page before."),
]


class DeliveryItem(Answer):
    """A delivery, and what its last attempt came to."""

    id: str
    event_id: str
    destination: str
    kind: DestinationKind
    queue: str
    generation: int
    state: DeliveryState
    due_at: int
    wake_at: int | None = Field(description="When it is tried next; null: it does not wait.")
    claimed_at: int | None
    attempts: int = Field(description="Starts that reported an outcome.")
    crashes: int = Field(description="Starts that never did: their process died.")
    created_at: int
    finished_at: int | None
    last_outcome: AttemptOutcome | None
    last_status: int | None = Field(description="HTTP status of the last attempt.")
    last_code: str | None
    last_message: str | None
    last_attempt_at: int | None
    replayed_as: str | None = Field(description="The delivery that replays this one.")


class AttemptItem(Answer):
    """One attempt of a delivery."""

    number: int
    started_at: int
    finished_at: int
    outcome: AttemptOutcome
    status: int | None
    code: str
    message: str


class DeliveryDetail(DeliveryItem):
    """A delivery with its attempts, the first one first."""

    history: list[AttemptItem]


class ReplayedDelivery(Answer):
    """A new delivery that repeats one."""

    delivery_id: str
    replays: str


class ListDeliveries(Asked):
    """Filters of a list of deliveries."""

    event_id: Id | None = Field(default=None, description="Only those of this event.")
    destination: Name | None = None
    state: DeliveryState | None = None
    after: Place | None = None
    limit: Limit = 50


class ListDead(Asked):
    """Filters of the dead letters."""

    destination: Name | None = None
    after: AfterId | None = None
    limit: Limit = 50


class OneDelivery(Asked):
    """Names a delivery."""

    delivery_id: str


class ReplayDelivery(OneDelivery):
    """Names one that is to be replayed."""

    idempotency_key: IdempotencyKey | None = None


def list_deliveries(desk: Desk, asked: ListDeliveries) -> Page[DeliveryItem]:
    """One more is read than shown, to know whether there is a next page."""
    rows = queries.list_deliveries(
        desk.database,
        event_id=asked.event_id,
        destination=asked.destination,
        state=asked.state,
        after=None if asked.after is None else _position(asked.after),
        limit=asked.limit + 1,
    )
    more = len(rows) > asked.limit
    return Page(items=_items(rows[: asked.limit]), next=_place(rows[-2]) if more else None)


def list_dead(desk: Desk, asked: ListDead) -> Page[DeliveryItem]:
    """Likewise."""
    rows = queries.list_dead(
        desk.database,
        destination=asked.destination,
        before_id=asked.after,
        limit=asked.limit + 1,
    )
    more = len(rows) > asked.limit
    return Page(items=_items(rows[: asked.limit]), next=rows[-2].id if more else None)


def get_delivery(desk: Desk, asked: OneDelivery) -> DeliveryDetail:
    """A delivery and every attempt."""
    row = queries.get_delivery(desk.database, whole_id(asked.delivery_id, "delivery"))
    attempts = queries.list_attempts(desk.database, row.id)
    item = DeliveryItem.model_validate(row).model_dump()
    history = [AttemptItem.model_validate(attempt) for attempt in attempts]
    return DeliveryDetail(**item, history=history)


def replay(desk: Desk, asked: ReplayDelivery) -> Response:
    """Deliver once more; a delivery that has not ended, or was replayed, is a conflict."""
    delivery_id = whole_id(asked.delivery_id, "delivery")
    made = replay_delivery(desk.database, delivery_id, idempotency_key=asked.idempotency_key)
    answer = ReplayedDelivery(delivery_id=made.id, replays=delivery_id)
    return reply(answer, 202, location=f"{_PATH}/{made.id}")


def _items(rows: list[DeliveryRow]) -> list[DeliveryItem]:
    return [DeliveryItem.model_validate(row) for row in rows]


def _place(row: DeliveryRow) -> str:
    """Where a page ends, in either order of the list."""
    return f"{row.wake_at or 0}~{row.id}"


def _position(place: str) -> Position:
    wake_at, _, id_ = place.partition("~")
    return Position(int(wake_at), id_)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path=_PATH,
        name="list_deliveries",
        tag="deliveries",
        summary="List deliveries: an event's in their order, waiting ones as they are tried next, "
        "others the newest first.",
        asks=ListDeliveries,
        does=list_deliveries,
        answers={200: Page[DeliveryItem]},
    ),
    Operation(
        method="GET",
        path=_PATH + "/{delivery_id}",
        name="get_delivery",
        tag="deliveries",
        summary="Look at a delivery and its attempts.",
        asks=OneDelivery,
        does=get_delivery,
        answers={200: DeliveryDetail},
        refuses=(404,),
    ),
    Operation(
        method="POST",
        path=_PATH + "/{delivery_id}/replay",
        name="replay_delivery",
        tag="deliveries",
        summary="Deliver once more to the same destination.",
        asks=ReplayDelivery,
        does=replay,
        answers={202: ReplayedDelivery},
        refuses=(404, 409),
    ),
    Operation(
        method="GET",
        path="/api/v1/dead-letters",
        name="list_dead_letters",
        tag="deliveries",
        summary="List deliveries that were given up and not replayed, the newest first.",
        asks=ListDead,
        does=list_dead,
        answers={200: Page[DeliveryItem]},
    ),
)
