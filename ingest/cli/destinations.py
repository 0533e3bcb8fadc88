"""``hookkeeper destinations``: where events go, and which of them wait."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json
from ingest.events import AttemptOutcome, DestinationKind

if TYPE_CHECKING:
    from ingest.config.model import Config

Name = Annotated[str, typer.Argument(help="The destination's name.")]


def list_(as_json: Json = False) -> None:
    """List destinations and handlers, and whether they are paused."""
    from ingest.cli.located import located_database, located_settings
    from ingest.cli.located_config import located_config
    from ingest.store.destinations import paused

    settings = located_settings()
    known = _known(located_config(settings))
    with located_database(settings) as database:
        stopped = {each.name: each for each in paused(database)}
    rows = [
        {
            "name": name,
            "kind": kind,
            "paused": name in stopped,
            "reason": stopped[name].reason if name in stopped else None,
            "paused_at": stopped[name].paused_at if name in stopped else None,
        }
        for name, kind in known.items()
    ]
    if as_json:
        output.document(rows)
        return
    output.table(
        ("name", "kind", "state", "since", "reason"),
        [
            (name, kind, "running", "", "")
            if name not in stopped
            else (
                name,
                kind,
                "paused",
                output.moment(stopped[name].paused_at),
                stopped[name].reason,
            )
            for name, kind in known.items()
        ],
        spare=("since", "kind", "reason"),
    )


def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks next.")] = "",
    as_json: Json = False,
) -> None:
    """Deliver nothing to a destination for now. Its events are kept and wait."""
    from ingest.cli.located import located_database, located_settings
    from ingest.cli.located_config import located_config
    from ingest.config.mistakes import did_you_mean
    from ingest.store.destinations import pause as pause_destination

    settings = located_settings()
    known = _known(located_config(settings))
    if name not in known:
        raise CommandFailed(f"there is no destination {name!r}; {did_you_mean(name, known)}")
    with located_database(settings) as database:
        pause_destination(database, name, reason)
    if as_json:
        output.document({"name": name, "paused": True})
    else:
        print(f"{name} is paused: its deliveries wait. `hookkeeper destinations resume {name}`")


def resume(name: Name, as_json: Json = False) -> None:
    """Deliver to a paused destination again, what waited included."""
    from ingest.cli.located import located_database
    from ingest.store.destinations import resume as resume_destination

    with located_database() as database:
        resume_destination(database, name)
    if as_json:
        output.document({"name": name, "paused": False})
    else:
        print(f"{name} is running again.")


def try_(name: Name, as_json: Json = False) -> None:
    """Send a test to a destination, now, and say what came of it. No pipeline has to run."""
    import json
    import subprocess
    import sys

    # In a process of its own: what sends belongs to the workers, which no command imports.
    ran = subprocess.run(
        [sys.executable, "-m", "actors.trial", name], stdout=subprocess.PIPE, check=False
    )
    if ran.returncode != 0:
        raise CommandFailed(f"nothing was sent to {name}; see above", Exit.USAGE)
    result = json.loads(ran.stdout.splitlines()[-1])
    succeeded = result["outcome"] == AttemptOutcome.SUCCEEDED
    if as_json:
        output.document({"name": name, **result})
        raise SystemExit(Exit.OK if succeeded else Exit.FAILED)
    said = output.printable(result["message"])
    if not succeeded:
        raise CommandFailed(f"{name} did not take it: {result['outcome']}, {said}")
    print(f"{name} took a test message ({result['code']}). {said}".strip())


def _known(config: "Config") -> dict[str, DestinationKind]:
    """Every destination of the configuration and every handler, with its kind."""
    from ingest.cli.located_config import add_handlers_path
    from ingest.handlers import load_handlers

    add_handlers_path()
    handlers = dict.fromkeys(load_handlers(config.handler_modules), DestinationKind.PYTHON)
    return {name: each.kind for name, each in config.destinations.items()} | handlers
