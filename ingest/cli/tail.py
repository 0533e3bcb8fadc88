"""``hookkeeper tail``: watch events come in and what becomes of them."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import Annotated

import typer

from ingest.cli.output import Json


def tail(
    source: Annotated[str | None, typer.Option(help="Only events of this source.")] = None,
    as_json: Json = False,
) -> None:
    """Print new events and their outcomes until Ctrl-C."""
    import signal

    from ingest.cli.following import Follower
    from ingest.cli.located import located_database

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `timeout 10 hookkeeper tail` too
    with located_database() as database:
        follower = Follower(database, source, as_json=as_json)
        try:
            follower.run()
        except KeyboardInterrupt:
            if not as_json:
                print()
