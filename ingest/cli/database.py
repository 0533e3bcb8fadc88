"""``hookkeeper migrate`` and ``backup``: the database as a whole."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from pathlib import Path
from typing import Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json


def migrate(as_json: Json = False) -> None:
    """Bring the database's schema up to date. Safe to run twice, and at the same time."""
    from ingest.cli.folder import make_private
    from ingest.cli.located import located_settings, sqlite_file
    from ingest.store import migrate as migrate_store

    settings = located_settings()
    file = sqlite_file(settings.database_url)
    if file is not None and file.parent == settings.data:
        make_private(settings.data)
    applied = migrate_store(settings.database_url)
    if as_json:
        output.document({"applied": applied})
    else:
        print(f"Applied: {', '.join(applied)}." if applied else "The schema is up to date.")


def backup(
    target: Annotated[Path, typer.Argument(help="The file to write; must not exist.")],
    as_json: Json = False,
) -> None:
    """Copy the database to a file while the pipeline runs. Redis needs no backup."""
    from ingest.cli.located import located_database, located_settings
    from ingest.store.backup import backup as backup_store

    if target.exists():
        raise CommandFailed(
            f"{target} exists and was left as it is. Name a file that does not.", Exit.USAGE
        )
    if not target.parent.is_dir():
        raise CommandFailed(f"there is no directory {target.parent}; make it first.", Exit.USAGE)
    settings = located_settings()
    with located_database(settings) as database:
        backup_store(database, target)
    size = target.stat().st_size
    if as_json:
        output.document({"written": str(target), "bytes": size})
    else:
        print(f"Wrote {target} ({size:,} bytes): every event committed before now is in it.")
        print(f"Keep a copy of {settings.key_file} with it: learned secrets need that key.")
