"""``hookkeeper dead``: deliveries that were given up, kept until somebody decides."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.events import Limit
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.store.queries import DeliveryRow

#: Replayed in one go by --all; each is a small transaction of its own.
_MOST = 10_000


def list_(
    destination: Annotated[str | None, typer.Option(help="Only to this destination.")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List the dead letters, with the reason each was given up."""
    from ingest.cli.located import located_database
    from ingest.store import queries

    with located_database() as database:
        rows = queries.list_dead(database, destination=destination, limit=limit)
    if as_json:
        output.document(rows)
        return
    output.table(
        ("id", "given up", "destination", "state", "attempts", "reason", "event"),
        [
            (
                row.id,
                output.moment(row.finished_at),
                row.destination,
                row.state,
                row.attempts,
                f"{row.last_code or ''} {row.last_message or ''}".strip()[:80],
                row.event_id,
            )
            for row in rows
        ],
        spare=("event", "attempts", "given up", "state", "reason"),
    )
    if not rows:
        output.note("No dead letters.")


def _whole_id(dead: "Sequence[DeliveryRow]", prefix: str) -> str:
    """The dead letter whose id begins so; else the text itself, about which the store says why."""
    found = [row.id for row in dead if row.id.startswith(prefix)]
    return found[0] if len(found) == 1 else prefix


def replay(
    delivery: Annotated[
        str | None, typer.Argument(help="A dead letter's id, or the start of it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    destination: Annotated[
        str | None, typer.Option(help="Every dead letter to this destination.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Deliver dead letters again: one, or all of a destination, or all."""
    from ingest.cli.located import located_database
    from ingest.store import queries
    from ingest.store.replay import replay_delivery

    if sum((delivery is not None, everything, destination is not None)) != 1:
        raise CommandFailed("name one dead letter, or --destination NAME, or --all.", Exit.USAGE)
    with located_database() as database:
        if delivery is not None:
            ids = [_whole_id(queries.list_dead(database, limit=_MOST), delivery)]
        else:
            dead = queries.list_dead(database, destination=destination, limit=_MOST)
            ids = [row.id for row in dead]
        replayed = [{"id": each, "as": replay_delivery(database, each).id} for each in ids]
    if as_json:
        output.document({"replayed": replayed})
        return
    print(f"Replaying {output.counted(len(replayed), 'dead letter')}.")
    if len(replayed) == _MOST:
        print("There may be more: run it again.")
