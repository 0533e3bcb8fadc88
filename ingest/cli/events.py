"""``hookkeeper events``: what was received."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import sys
import time
from typing import Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json

Limit = Annotated[int, typer.Option(help="At most this many, the newest.", min=1, max=10_000)]


def list_(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only in this state: stored, dispatched or unmatched.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only this young: 90s, 15m, 2h, 7d.")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List the newest events."""
    from ingest.cli.located import located_database
    from ingest.events import EventState
    from ingest.store import queries

    if state is not None and state not in list(EventState):
        raise CommandFailed(
            f"there is no state {state!r}: use {', '.join(EventState)}.", Exit.USAGE
        )
    oldest = None if since is None else int(time.time() * 1000) - duration(since)
    with located_database() as database:
        rows = queries.list_events(
            database,
            source=source,
            type=type_,
            state=None if state is None else EventState(state),
            since=oldest,
            limit=limit,
        )
    if as_json:
        output.document(rows)
        return
    output.table(
        ("id", "received", "source", "type", "state", "notes"),
        [
            (
                row.id,
                output.moment(row.received_at),
                row.source,
                row.type,
                row.state,
                _notes(row.generation, row.duplicates, row.conflicts),
            )
            for row in rows
        ],
        spare=("notes", "received", "source", "type"),
    )
    if not rows:
        output.note("No events. `hookkeeper send github push` posts a sample.")


def _notes(generation: int, duplicates: int, conflicts: int) -> str:
    """What is out of the ordinary about an event; mostly nothing."""
    said = {
        "replayed": generation,
        "duplicates": duplicates,
        "with another body": conflicts,
    }
    return ", ".join(f"{word} {count}" for word, count in said.items() if count)


def duration(text: str) -> int:
    """Milliseconds of ``15m``. Raises CommandFailed."""
    from ingest.config.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise CommandFailed(f"--since: {error}", Exit.USAGE) from None


def show(
    event: Annotated[str, typer.Argument(help="An id, or its first characters.")],
    body: Annotated[
        bool, typer.Option("--body", help="Write only the body, byte for byte as received.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one event: its deliveries, their attempts, and the body."""
    from ingest.cli.located import located_database
    from ingest.cli.showing import story, tell

    with located_database() as database:
        found = story(database, event)
    if body:
        sys.stdout.buffer.write(found.event.body)
        sys.stdout.buffer.flush()
    elif as_json:
        output.document(found)
    else:
        tell(found)


def replay(
    event: Annotated[str, typer.Argument(help="An id, or its first characters.")],
    as_json: Json = False,
) -> None:
    """Send one event to its destinations again, under a new generation."""
    from ingest.cli.located import located_database
    from ingest.store import queries
    from ingest.store.replay import replay_event

    with located_database() as database:
        event_id = queries.get_event(database, event).id
        generation = replay_event(database, event_id)
    if as_json:
        output.document({"event_id": event_id, "generation": generation})
    else:
        print(f"Replaying {event_id} as generation {generation}; its routes are matched again.")
