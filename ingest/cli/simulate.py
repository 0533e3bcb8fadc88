"""``hookkeeper simulate``: play bad days against a running pipeline, and judge its answers."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import Annotated

import typer

from ingest.cli.output import Json

#: The days of ``ingest.simulator.planned.Day``, which is not imported for a --help.
DAYS = "ordinary, duplicates, reorder, burst, stale, rotation, retries, forged"


def simulate(
    day: Annotated[
        list[str] | None, typer.Option(help=f"Only these, also with commas: {DAYS}.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Only these sources; default: all.")
    ] = None,
    events: Annotated[int, typer.Option(help="How many events.", min=1)] = 200,
    rate: Annotated[float, typer.Option(help="How many begin a second.", min=0.1)] = 50.0,
    seconds: Annotated[float, typer.Option(help="None begins later than this.", min=1)] = 60.0,
    retry_seconds: Annotated[
        float, typer.Option(help="The providers' retry windows are shortened to this.", min=0.1)
    ] = 5.0,
    seed: Annotated[int | None, typer.Option(help="Plays the same again; default: any.")] = None,
    as_json: Json = False,
) -> None:
    """Play bad days against the running pipeline.

    It fails unless every answer is as expected.

    What it sends is signed with the secrets of hookkeeper.toml, so handlers run and destinations
    are called: use a pipeline for trying.
    """
    from ingest.cli.simulating import chosen_days, simulate_days
    from ingest.simulator.plan import Wanted

    wanted = Wanted(
        seed=any_seed() if seed is None else seed,
        events=events,
        rate=rate,
        seconds=seconds,
        days=chosen_days(day or []),
        within=retry_seconds,
    )
    if not simulate_days(wanted, source or [], as_json=as_json):
        raise typer.Exit(1)


def any_seed() -> int:
    """A number that is short enough to be typed again."""
    import secrets

    return secrets.randbelow(1_000_000)
