"""What a command finds in its folder: the settings and the database.

Settings come from the environment, else from the pipeline that runs here (run.json).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.cli.exits import CommandFailed, Exit
from ingest.config.settings import Settings, load_settings
from ingest.store import Database, open_database


def located_settings() -> Settings:
    """The settings of this folder. Raises ConfigError."""
    return load_settings(os.environ, Path.cwd())


@contextmanager
def located_database(settings: Settings | None = None) -> Iterator[Database]:
    """The database of this folder, opened for one command.

    Raises CommandFailed where there is none yet, StoreRefused and StoreUnavailable as it says.
    """
    settings = settings or located_settings()
    missing = sqlite_file(settings.database_url)
    if missing is not None and not missing.exists():
        raise CommandFailed(
            f"there is no pipeline here: {missing} does not exist.\n"
            "Go to the folder where one runs, or start one here with `hookkeeper up`.",
            Exit.UNREACHABLE,
        )
    database = open_database(settings.database_url)
    try:
        yield database
    finally:
        database.close()


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL (``sqlite:///relative``, ``sqlite:////absolute``), else None."""
    scheme, _, path = url.partition(":///")
    return Path(path.partition("?")[0]) if scheme == "sqlite" and path else None
