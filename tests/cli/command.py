"""The real command as a user runs it: a subprocess in a folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Done:
    """What a finished command left."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environ(**settings: str) -> dict[str, str]:
    """The environment of a user who has set nothing but ``settings``."""
    return {**os.environ, "PYTHONPATH": str(PROJECT), **settings}


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ingest.cli", *arguments]


def run(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    settings: Mapping[str, str] | None = None,
) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        argv(*arguments),
        cwd=folder,
        env=environ(**(settings or {})),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=180,  # a restart of everything on two busy cores
    )
    return Done(
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
        done.stdout,
    )
