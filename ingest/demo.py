"""The handler of the demo configuration: one printed line for every event."""

from ingest.events import Event
from ingest.handlers import on


@on("*")
def show(event: Event) -> None:
    """Print what came: source, type, id and size; never the body."""
    kind = event.type or "(no type)"
    line = f"{event.source} {kind} {event.id} {len(event.body)} bytes"
    print(line, flush=True)  # noqa: T201 - printing is what this handler is for
