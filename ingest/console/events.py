"""Events: listed, looked at, downloaded as they were received, replayed."""

from typing import Any

from pydantic import Field
from starlette.responses import Response

from ingest.console.answering import Answer, Page
from ingest.console.asking import AfterId, Asked, IdempotencyKey, Limit, Moment, Name, whole_id
from ingest.console.desk import Desk
from ingest.console.operations import Operation, reply
from ingest.events import EventState
from ingest.store import queries
from ingest.store.replay import replay_event

_PATH = "/api/v1/events"


class EventItem(Answer):
    """An event in a list."""

    id: str
    source: str
    type: str = Field(description='"" where the provider names none.')
    provider_event_id: str | None
    state: EventState
    received_at: int
    dispatched_at: int | None
    generation: int = Field(description="0 at first, one more with every replay.")
    duplicates: int = Field(description="How often the same event came again.")
    conflicts: int = Field(description="How often its signed id came with another body.")
    trace_id: str
    secret_name: str | None = Field(description="Which secret proved it; never its value.")
    type_signed: bool | None = Field(
        description="Whether the signature covers all that the type was taken from, so that only "
        "the sender can have said it; null where that is not known."
    )


class EventDetail(EventItem):
    """An event, and what came with its body."""

    headers: list[tuple[str, str]] = Field(
        description="In the order received; values of credentials are keyed digests."
    )
    query: str
    content_type: str
    body_bytes: int = Field(description="The size of what /body downloads.")


class Replayed(Answer):
    """An event that goes its way again."""

    event_id: str
    generation: int


class ListEvents(Asked):
    """Filters of a list of events."""

    source: Name | None = None
    type: Name | None = None
    state: EventState | None = None
    since: Moment | None = Field(default=None, description="Received at this time or later.")
    until: Moment | None = Field(default=None, description="Received before this time.")
    after: AfterId | None = None
    limit: Limit = 50


class OneEvent(Asked):
    """Names an event."""

    event_id: str


class ReplayEvent(OneEvent):
    """Names one that is to be replayed."""

    idempotency_key: IdempotencyKey | None = None


def list_events(desk: Desk, asked: ListEvents) -> Page[EventItem]:
    """One more is read than shown, to know whether there is a next page."""
    rows = queries.list_events(
        desk.database,
        source=asked.source,
        type=asked.type,
        state=asked.state,
        since=asked.since,
        until=asked.until,
        before_id=asked.after,
        limit=asked.limit + 1,
    )
    items = [EventItem.model_validate(row) for row in rows[: asked.limit]]
    return Page(items=items, next=items[-1].id if len(rows) > asked.limit else None)


def get_event(desk: Desk, asked: OneEvent) -> EventDetail:
    """Everything but the body."""
    event = queries.get_event(desk.database, whole_id(asked.event_id, "event"))
    item = EventItem.model_validate(event).model_dump()
    return EventDetail(
        **item,
        headers=list(event.headers),
        query=event.query,
        content_type=event.content_type,
        body_bytes=len(event.body),
    )


def get_body(desk: Desk, asked: OneEvent) -> Response:
    """The bytes as received. A sender wrote them: they are to be saved, never to be shown."""
    event = queries.get_event(desk.database, whole_id(asked.event_id, "event"))
    headers = {"content-disposition": f'attachment; filename="{event.id}"'}
    return Response(event.body, 200, headers, "application/octet-stream")


def replay(desk: Desk, asked: ReplayEvent) -> Response:
    """Route it again; the scheduler publishes it at its next look."""
    event_id = whole_id(asked.event_id, "event")
    generation = replay_event(desk.database, event_id, idempotency_key=asked.idempotency_key)
    answer = Replayed(event_id=event_id, generation=generation)
    return reply(answer, 202, location=f"{_PATH}/{event_id}")


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path=_PATH,
        name="list_events",
        tag="events",
        summary="List events, the newest first.",
        asks=ListEvents,
        does=list_events,
        answers={200: Page[EventItem]},
    ),
    Operation(
        method="GET",
        path=_PATH + "/{event_id}",
        name="get_event",
        tag="events",
        summary="Look at an event.",
        asks=OneEvent,
        does=get_event,
        answers={200: EventDetail},
        refuses=(404,),
    ),
    Operation(
        method="GET",
        path=_PATH + "/{event_id}/body",
        name="get_event_body",
        tag="events",
        summary="Download an event's body, byte for byte as received.",
        asks=OneEvent,
        does=get_body,
        answers={200: None},
        media_type="application/octet-stream",
        refuses=(404,),
    ),
    Operation(
        method="POST",
        path=_PATH + "/{event_id}/replay",
        name="replay_event",
        tag="events",
        summary="Send an event to its destinations again, under a new generation.",
        asks=ReplayEvent,
        does=replay,
        answers={202: Replayed},
        refuses=(404, 409),
    ),
)
