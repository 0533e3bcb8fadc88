"""Destinations and handlers: where events go, and which of them are paused."""

from typing import Annotated, Any

from pydantic import Field

from ingest.console.answering import Answer, Page
from ingest.console.asking import Asked, Body, Name
from ingest.console.desk import Desk, Place
from ingest.console.operations import Operation
from ingest.events import DestinationKind
from ingest.store.destinations import Paused, pause, paused, resume

_PATH = "/api/v1/destinations"


class DestinationItem(Answer):
    """A destination of the configuration, or a handler."""

    name: str
    kind: DestinationKind
    queue: str
    concurrency: int | None = Field(description="Deliveries at once, over all workers.")
    paused: bool
    reason: str | None = Field(description="Why it is paused.")
    paused_at: int | None


class PauseBody(Body):
    """Why."""

    reason: Annotated[str, Field(max_length=1_000)] = ""


class OneDestination(Asked):
    """Names a destination or handler."""

    name: Name


class PauseDestination(OneDestination):
    """Names one, and says why."""

    body: PauseBody = PauseBody()


def list_destinations(desk: Desk, _asked: Asked) -> Page[DestinationItem]:
    """All of them; there is no second page."""
    stopped = {each.name: each for each in paused(desk.database)}
    items = [_item(place, stopped.get(place.name)) for place in desk.places().values()]
    return Page(items=items, next=None)


def pause_destination(desk: Desk, asked: PauseDestination) -> DestinationItem:
    """Deliver nothing to it for now; its deliveries wait."""
    place = desk.place(asked.name)
    pause(desk.database, place.name, asked.body.reason)
    return _item(place, _stop_of(desk, place))


def resume_destination(desk: Desk, asked: OneDestination) -> DestinationItem:
    """Deliver to it again, what waited included."""
    place = desk.place(asked.name)
    resume(desk.database, place.name)
    return _item(place, _stop_of(desk, place))


def _stop_of(desk: Desk, place: Place) -> Paused | None:
    return next((each for each in paused(desk.database) if each.name == place.name), None)


def _item(place: Place, stop: Paused | None) -> DestinationItem:
    return DestinationItem(
        name=place.name,
        kind=place.kind,
        queue=place.queue,
        concurrency=place.concurrency,
        paused=stop is not None,
        reason=None if stop is None else stop.reason,
        paused_at=None if stop is None else stop.paused_at,
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path=_PATH,
        name="list_destinations",
        tag="destinations",
        summary="List destinations and handlers, and whether they are paused.",
        asks=Asked,
        does=list_destinations,
        answers={200: Page[DestinationItem]},
    ),
    Operation(
        method="POST",
        path=_PATH + "/{name}/pause",
        name="pause_destination",
        tag="destinations",
        summary="Deliver nothing to a destination for now. Its events are kept and wait.",
        asks=PauseDestination,
        does=pause_destination,
        answers={200: DestinationItem},
        refuses=(404,),
    ),
    Operation(
        method="POST",
        path=_PATH + "/{name}/resume",
        name="resume_destination",
        tag="destinations",
        summary="Deliver to a paused destination again, what waited included.",
        asks=OneDestination,
        does=resume_destination,
        answers={200: DestinationItem},
        refuses=(404,),
    ),
)
