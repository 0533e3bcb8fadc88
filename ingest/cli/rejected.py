"""``hookkeeper rejected``: requests that proved nothing, kept for a while."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.events import Limit
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.reverifying import Tally
    from ingest.store.rejected import Wanted, WholeRejected

SourceName = Annotated[str | None, typer.Option(help="Only of this source.")]
ReasonName = Annotated[
    str | None, typer.Option(help="Only with this reason, such as bad_signature.")
]
Since = Annotated[str | None, typer.Option(help="Only this young: 90s, 15m, 2h, 7d.")]


def list_(
    source: SourceName = None,
    reason: ReasonName = None,
    since: Since = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List rejected requests, the newest first."""
    from ingest.cli.located import located_database
    from ingest.store.rejected import list_rejected

    with located_database() as database:
        rows = list_rejected(database, _wanted(source, reason, since), limit=limit)
    if as_json:
        output.document(rows)
        return
    output.table(
        ("id", "received", "source", "reason", "state", "detail"),
        [
            (
                row.id,
                output.moment(row.received_at),
                row.source,
                row.reason,
                row.state,
                row.detail,
            )
            for row in rows
        ],
        spare=("state", "received", "detail"),
    )
    if not rows:
        output.note("No rejected requests.")


def show(
    rejected: Annotated[str, typer.Argument(help="A rejected request's id, or the start of it.")],
    body: Annotated[
        bool, typer.Option("--body", help="Write the body, byte for byte, and nothing else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Explain one: what was checked, which step failed, what to do."""
    from ingest.cli.located import located_database
    from ingest.explaining import explain
    from ingest.store.rejected import get_rejected

    with located_database() as database:
        found = get_rejected(database, rejected)
    if body:
        sys.stdout.buffer.write(found.body)
    elif as_json:
        told = output.plain(found) | {"explanation": output.plain(explain(found.reason))}
        told["body_sha256"] = found.body_sha256.hex()
        output.document(told)
    else:
        _tell(found)


def reverify(
    rejected: Annotated[
        str | None, typer.Argument(help="Only this one: its id, or the start of it.")
    ] = None,
    source: SourceName = None,
    reason: ReasonName = None,
    since: Since = None,
    as_json: Json = False,
) -> None:
    """Verify kept requests again with today's secrets, as of their receipt; release what passes.

    What passes is an event from then on: once, however often this runs, and no duplicate of one
    that came in another way.
    """
    from ingest.cli.reverification import reverified

    if rejected is not None and (source, reason, since) != (None, None, None):
        raise CommandFailed("name one request, or filters, not both.", Exit.USAGE)
    tally = reverified(rejected, _wanted(source, reason, since))
    if as_json:
        output.document(
            {
                "checked": tally.checked,
                "released": tally.released,
                "duplicates": tally.duplicates,
                "refused": dict(tally.refused),
            }
        )
    else:
        _say(tally)
    if rejected is not None and tally.refused:
        raise typer.Exit(Exit.FAILED)


def _wanted(source: str | None, reason: str | None, since: str | None) -> "Wanted":
    from ingest.cli.events import duration
    from ingest.store.rejected import Wanted

    oldest = None if since is None else int(time.time() * 1000) - duration(since)
    return Wanted(source=source, reason=reason, since=oldest)


def _tell(found: "WholeRejected") -> None:
    from ingest.explaining import explain

    facts = {
        "rejected": found.id,
        "source": found.source,
        "received": output.moment(found.received_at),
        "kept until": output.moment(found.expires_at),
        "request": f"{found.method} {found.url}",
        "body": f"{len(found.body):,} bytes {found.content_type}".strip(),
        "trace": found.trace_id,
        "reason": found.reason,
        "detail": found.detail,
    }
    if found.released_event_id is not None:
        facts["released"] = f"{output.moment(found.released_at)}, event {found.released_event_id}"
    for name, value in facts.items():
        print(f"{name:<11} {output.printable(value)}")
    explanation = explain(found.reason)
    print()
    for step in explanation.steps:
        print(f"  {step.result:<12} {step.checked}")
    if explanation.advice:
        print(f"\n{explanation.advice}")
    print()
    for name, value in found.headers:
        print(output.printable(f"{name}: {value}"))


def _say(tally: "Tally") -> None:
    print(
        f"Checked {output.counted(tally.checked, 'request')}: {tally.released:,} released, "
        f"{tally.duplicates:,} of events that are here, {tally.refused.total():,} still refused."
    )
    for reason, count in tally.refused.most_common():
        print(f"  {reason:<22} {count:,}")
