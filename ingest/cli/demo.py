"""Write the demo configuration where ``up`` finds none, with secrets of its own."""

import os
from collections.abc import Mapping
from pathlib import Path

from ingest.cli.folder import make_private
from ingest.cli.output import note
from ingest.config.demo import demo
from ingest.config.settings import Settings
from ingest.errors import ConfigError


def write_demo(settings: Settings, environ: Mapping[str, str]) -> None:
    """Write hookkeeper.toml and its secret files, unless there is a hookkeeper.toml.

    Raises ConfigError where HOOKKEEPER_CONFIG names a file that is not there: a file that
    somebody named is theirs to write.
    """
    target = settings.config_path
    if target.exists():
        return
    if environ.get("HOOKKEEPER_CONFIG"):
        raise ConfigError(
            f"HOOKKEEPER_CONFIG names {target}, which does not exist. "
            "Create it with `hookkeeper init`, or unset the variable to get a demo."
        )
    secrets = settings.data / "secrets"
    make_private(secrets)
    folder = target.parent
    text, files = demo(secrets.relative_to(folder) if secrets.is_relative_to(folder) else secrets)
    for path, value in files.items():
        write_new(folder / path, value)
    write_new(target, text, mode=0o644)
    note(f"Wrote a demo {target.name} with secrets of its own in {secrets}.")


def write_new(path: Path, text: str, mode: int = 0o600) -> bool:
    """Write a file that does not exist yet, never over one that does; whether it was written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True
