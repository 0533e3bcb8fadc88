"""Whether the console is alive, and whether it can answer."""

from typing import Any, Literal

from starlette.responses import Response

from ingest.console.answering import Answer
from ingest.console.asking import Asked
from ingest.console.desk import Desk
from ingest.console.operations import Operation, reply
from ingest.errors import StoreRefused, StoreUnavailable
from ingest.store.destinations import paused


class Alive(Answer):
    """The process turns."""

    status: Literal["ok"] = "ok"


class Ready(Answer):
    """Whether the console can answer, and what each check says: ok, or what is wrong."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]


def alive(_desk: Desk, _asked: Asked) -> Alive:
    """Say so."""
    return Alive()


def ready(desk: Desk, _asked: Asked) -> Response:
    """Ask the database for something small."""
    said = "ok"
    try:
        paused(desk.database)
    except StoreUnavailable:
        said = "cannot be reached; the log says why"
    except StoreRefused:
        said = "must not be used; the log says why"
    if said == "ok":
        return reply(Ready(status="ready", checks={"database": said}))
    return reply(Ready(status="not_ready", checks={"database": said}), 503)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/livez",
        name="livez",
        tag="health",
        summary="Is the process alive?",
        asks=Asked,
        does=alive,
        answers={200: Alive},
        public=True,
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="readyz",
        tag="health",
        summary="Can it answer?",
        asks=Asked,
        does=ready,
        answers={200: Ready, 503: Ready},
        public=True,
    ),
)
