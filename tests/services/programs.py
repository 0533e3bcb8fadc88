"""Finds the servers that the tests start; a missing one is an error that says how to get it."""

import shutil
from pathlib import Path


class MissingProgram(Exception):
    """A server program is not installed; the tests fail, they never skip."""


def find_program(names: tuple[str, ...], folders: tuple[Path, ...], package: str) -> Path:
    """Return the first of these programs, from the folders or from PATH.

    Raises MissingProgram that names the distribution's package.
    """
    for name in names:
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    message = (
        f"{' or '.join(names)} is not installed. Install the package {package!r}, "
        "or run ops/test as root, which installs it."
    )
    raise MissingProgram(message)
