"""``hookkeeper replay``: all that a filter and a range mean, counted first, replayed by a job."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit, refusal
from ingest.cli.output import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.config.settings import Settings
    from ingest.events import Target
    from ingest.replaying import Replay
    from ingest.store import Database


@dataclass(frozen=True)
class Asked:
    """A replay, the id and arguments of its job, and exactly how many rows it means."""

    job_id: str
    replay: "Replay"
    words: dict[str, Any]
    total: int


def replay(
    dataset: Annotated[str, typer.Argument(help="What: events or deliveries.")] = "events",
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help='Only of this type, or of "issues.*"; repeat it for more.'),
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only in this state: unmatched, or dead for deliveries.")
    ] = None,
    destination: Annotated[
        str | None, typer.Option(help="Only deliveries to this destination.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help='From then on: "7d" ago, or a time (ISO 8601, UTC).')
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until then; a minute ago at most.")] = None,
    to: Annotated[
        str | None, typer.Option(help="Deliver to this destination or handler, and no other.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="At most so many a second.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and replay nothing.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
    as_json: Json = False,
) -> None:
    """Replay all events, or ended deliveries, of a filter.

    A job does it, which `hookkeeper jobs` pauses, resumes and cancels. Events are routed again;
    deliveries go to where they went before.
    """
    from ingest.cli.located import located_database, located_settings
    from ingest.cli.replay_job import follow, made
    from ingest.filters import Refused

    settings = located_settings()
    words = {
        "dataset": dataset,
        "source": source,
        "types": types,
        "state": state,
        "destination": destination,
        "since": since,
        "until": until,
        "rate": rate,
    }
    with located_database(settings) as database:
        try:
            asked = _read(database, _targets(settings), to, words)
        except Refused as refused:
            raise refusal(refused) from None
        if dry_run or not asked.total:
            _tell(asked, as_json=as_json)
            return
        if not yes:
            _confirm(asked)
        job_id = made(database, settings, asked)
        if detach:
            _tell(asked, job_id, as_json=as_json)
            return
        result = follow(database, job_id, asked.total)
    if as_json:
        output.document({"job_id": job_id, **result})
    else:
        skipped = f"; {result['skipped']:,} gone meanwhile" if result["skipped"] else ""
        print(f"Replayed {result['replayed']:,} of {result['matched']:,} {dataset}{skipped}.")


def _read(
    database: "Database", targets: "Mapping[str, Target]", to: str | None, words: dict[str, Any]
) -> Asked:
    """Check what is asked for, and count it. Raises Refused."""
    from dataclasses import asdict

    import uuid_utils

    from ingest.replaying import read_replay, read_target
    from ingest.store import bulk_replay
    from ingest.store.filtering import stored_sources
    from ingest.store.ids import made_at

    words = {name: word for name, word in words.items() if word is not None}
    target = read_target(to, words.get("destination"), targets)
    job_id = str(uuid_utils.uuid7())
    replay = read_replay(
        **words, target=target, sources=stored_sources(database), now=made_at(job_id)
    )
    if target is not None:
        words["target"] = asdict(target)
    return Asked(job_id, replay, words, bulk_replay.count(database, replay))


def _targets(settings: "Settings") -> "Mapping[str, Target]":
    """Every destination and handler of the configuration."""
    from ingest import routing
    from ingest.cli.located_config import add_handlers_path, located_config
    from ingest.handlers import load_handlers

    config = located_config(settings)
    add_handlers_path()
    return routing.targets(config, load_handlers(config.handler_modules))


def _confirm(asked: Asked) -> None:
    """Ask whoever is there. Raises CommandFailed for a no, and where nobody is."""
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{_said(asked)} would be replayed: say --yes. Nothing was replayed.", Exit.USAGE
        )
    if not typer.confirm(f"Replay {_said(asked)}?", err=True):
        raise CommandFailed("nothing was replayed.")


def _tell(asked: Asked, job_id: str | None = None, *, as_json: bool) -> None:
    if as_json:
        range_ = {"since": asked.replay.range.since, "until": asked.replay.range.until}
        output.document({"job_id": job_id, "matching": asked.total, **range_})
    elif job_id is None:
        print(f"{_said(asked)} would be replayed.")
    else:
        print(f"Job {job_id} replays {_said(asked)}.")


def _said(asked: Asked) -> str:
    from ingest.filters import spelled

    one = {"events": "event", "deliveries": "delivery"}[asked.replay.dataset]
    count = f"1 {one}" if asked.total == 1 else f"{asked.total:,} {asked.replay.dataset}"
    range_ = asked.replay.range
    begin = "the beginning" if not range_.since else spelled(range_.since)
    return f"{count} from {begin} to {spelled(range_.until)}"
