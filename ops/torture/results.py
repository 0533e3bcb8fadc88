"""The results file: one JSON line a trial, appended; what the report is made of."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("results.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One trial, as it is kept. Times in seconds; ``at`` in ISO 8601, UTC.

    ``load``: processes that wanted a core, over its last five minutes: others share the machine.
    ``stretch``: how many times longer than on a machine of its own everything was given.
    ``fingerprint``: of all that the trial depends on besides its seed (plan.py). ``resumes``: after
    each fault, how long until an event was accepted; None: none was.
    """

    seed: int
    fingerprint: str
    at: str
    commit: str
    database: str
    faults: list[str]
    struck: list[str]
    seconds: float
    clean: bool
    acknowledged: int
    refused: int
    lost: int
    committed: int
    duplicated: int
    sends: int
    crashes: int
    restarts: list[float]
    load: float
    stretch: float
    resumes: dict[str, float | None]
    quiescent: float | None
    violations: list[str]


def append(path: Path, result: Result) -> None:
    """Add a line, whole."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def read(path: Path) -> Iterator[Result]:
    """Read every line; nothing where there is no file."""
    for line in path.read_text().splitlines() if path.exists() else []:
        row: dict[str, Any] = json.loads(line)
        yield Result(**row)
