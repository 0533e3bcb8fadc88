"""The commands and their names, in the order in which ``hookkeeper --help`` shows them."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from ingest import __version__
from ingest.cli import (
    configuration,
    console,
    database,
    dead,
    destinations,
    doctor,
    events,
    export,
    jobs,
    output,
    providers,
    rejected,
    replay,
    restart,
    schedules,
    secrets,
    send,
    simulate,
    sink,
    tail,
    up,
    verify,
    web,
    worker,
)
from ingest.cli.exits import EXPLANATION, stop
from ingest.cli.output import Json
from ingest.errors import HookkeeperError


def _group(summary: str) -> typer.Typer:
    return typer.Typer(help=summary, no_args_is_help=True, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hookkeeper {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Receives webhooks, proves who sent them, keeps every one, delivers each.

    Run in the folder of a running `hookkeeper up`, every command finds it by itself.
    """


def version(as_json: Json = False) -> None:
    """Print the version."""
    if as_json:
        output.document({"version": __version__, "python": sys.version.split()[0]})
    else:
        print(f"hookkeeper {__version__}")


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(epilog=EXPLANATION)(_top)
    _add(app, up.up, restart.restart, web.web, worker.worker, worker.scheduler, console.console)
    _add(app, configuration.init, database.migrate, database.backup)
    app.add_typer(_providers(), name="providers")
    config = _group("The file hookkeeper.toml.")
    config.command("check")(configuration.check)
    app.add_typer(config, name="config")
    _add(app, send.send, simulate.simulate)
    app.add_typer(_events(), name="events")
    app.add_typer(_dead(), name="dead")
    app.add_typer(_rejected(), name="rejected")
    app.add_typer(_secrets(), name="secrets")
    app.add_typer(_destinations(), name="destinations")
    app.add_typer(_jobs(), name="jobs")
    planned = _group("What is done by itself, and when.")
    planned.command("list")(schedules.list_)
    app.add_typer(planned, name="schedules")
    _add(
        app,
        export.export,
        replay.replay,
        tail.tail,
        verify.verify,
        doctor.doctor,
        sink.sink,
        version,
    )
    return app


def _add(app: typer.Typer, *commands: Callable[..., None]) -> None:
    for command in commands:
        app.command()(command)


def _providers() -> typer.Typer:
    group = _group("The providers that are known: list them, show one.")
    group.command("list")(providers.list_)
    group.command("show")(providers.show)
    return group


def _events() -> typer.Typer:
    group = _group("What was received: list it, look at one, replay it.")
    group.command("list")(events.list_)
    group.command("show")(events.show)
    group.command("replay")(events.replay)
    return group


def _dead() -> typer.Typer:
    group = _group("Deliveries that were given up: list them, replay them.")
    group.command("list")(dead.list_)
    group.command("replay")(dead.replay)
    return group


def _rejected() -> typer.Typer:
    group = _group("Requests that proved nothing: list, explain, verify again.")
    group.command("list")(rejected.list_)
    group.command("show")(rejected.show)
    group.command("reverify")(rejected.reverify)
    return group


def _secrets() -> typer.Typer:
    group = _group("The secrets of sources: check, learn, retire.")
    group.command("check")(secrets.check)
    group.command("learn")(secrets.learn)
    group.command("retire")(secrets.retire)
    return group


def _destinations() -> typer.Typer:
    group = _group("Where events go: list, pause, resume and test.")
    group.command("list")(destinations.list_)
    group.command("pause")(destinations.pause)
    group.command("resume")(destinations.resume)
    group.command("test")(destinations.try_)
    return group


def _jobs() -> typer.Typer:
    group = _group("Background work: list, show, cancel, pause and resume.")
    group.command("list")(jobs.list_)
    group.command("show")(jobs.show)
    group.command("cancel")(jobs.cancel)
    group.command("pause")(jobs.pause)
    group.command("resume")(jobs.resume)
    return group


def run() -> None:
    """Run the command that was typed; errors that carry a decision become messages."""
    try:
        build()(prog_name="hookkeeper")
    except HookkeeperError as error:
        stop(error)
