"""When and of what a row was measured: rows of several runs stand in one file."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops.bench.hookkeeper import ROOT
from ops.bench.machine import sync_ms

#: What a run itself writes does not change what it measures.
_WATCHED = (".", ":(exclude)ops/bench/results")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Of one line's rows. ``load_before``: of one minute, before the line began.

    ``measured_at``: when it began, ISO 8601, UTC. ``commit``: see ``commit_of``. ``sync_ms``:
    percentiles of the disk's own sync.
    """

    measured_at: str
    commit: str
    load_before: float
    sync_ms: dict[str, float]


def provenance(folder: Path, commit: str) -> Provenance:
    """Look at the clock, the load and the disk that holds a folder, before a line is measured."""
    measured_at, load = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", round(os.getloadavg()[0], 2)
    return Provenance(measured_at, commit, load, sync_ms(folder))


def measured_commit() -> str:
    """Return the commit of this tree as ``commit_of`` spells it; "unknown" without git."""
    try:
        return commit_of(
            _git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain", "--", *_WATCHED)
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def commit_of(head: str, changes: str) -> str:
    """Return a short hash, with "+changes" where files differ from what was committed."""
    return head.strip() + ("+changes" if changes.strip() else "")


def _git(*words: str) -> str:
    command: Sequence[str] = ["git", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
