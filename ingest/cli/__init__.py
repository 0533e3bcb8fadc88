"""The ``hookkeeper`` command: everything a person types. ``main`` is its entry point.

Nothing heavy is imported before a command runs, because ``hookkeeper --help`` has to answer
within 150 ms (ops/bench). Other processes are started by command, never by import.
"""


def main() -> None:
    """Run the command line; never returns normally."""
    from ingest.cli.application import run  # noqa: PLC0415  typer costs 60 ms, importers of exit codes do not pay

    run()
