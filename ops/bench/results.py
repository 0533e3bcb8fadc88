"""The file of a day's results: rows of several runs on one day stand in it together. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ops.bench.figures import Row
from ops.bench.provenance import Provenance

#: The lines of the table, in its order; each is a module of ops/bench/rows.
LINES = (
    *("accept", "peers", "pipeline", "deliveries", "latency"),
    *("stored", "waiting", "memory", "overload", "slow", "export", "catalogue"),
)


def merge(
    earlier: Mapping[str, Any] | None,
    line: str,
    rows: Sequence[Row],
    provenance: Provenance,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return a day's document in which one line's rows are the given ones.

    ``earlier``: the document so far; None where there is none. Other lines' rows stay; what was
    another machine or another version when they were measured stands in their ``then``.
    """
    now = {"machine": dict(machine), "versions": dict(versions)}
    others = [row for row in (earlier or {}).get("rows", []) if line_of(row["name"]) != line]
    merged = [_kept(row, earlier or {}, now) for row in others]
    merged += [_plain(_spelled(asdict(row)) | asdict(provenance)) for row in rows]
    merged.sort(key=lambda row: LINES.index(line_of(row["name"])))  # stable within a line
    return {**now, "rows": merged}


def line_of(name: str) -> str:
    """Return the line that a row belongs to: "accept" for "accept.sqlite.64"."""
    return name.partition(".")[0]


def read(path: Path) -> dict[str, Any] | None:
    """Return the document at a path; None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document for people and machines: one key a line, four digits that matter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _kept(
    row: dict[str, Any], earlier: Mapping[str, Any], now: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    then = {}
    for part, facts in now.items():
        known = {**earlier.get(part, {}), **row.get("then", {}).get(part, {})}
        then[part] = {key: value for key, value in known.items() if value != facts.get(key)}
    differing = {part: facts for part, facts in then.items() if facts}
    rest = {key: value for key, value in row.items() if key != "then"}
    return rest | ({"then": differing} if differing else {})


def _spelled(row: dict[str, Any]) -> dict[str, Any]:
    """Say in a row's note which of its figures are endless, and so are null in JSON."""
    figures = {key: value for key, value in row.items() if isinstance(value, float)}
    endless = [f"{key} is endless" for key, value in figures.items() if math.isinf(value)]
    return row | {"note": "; ".join(filter(None, (*endless, row["note"])))}


def _plain(value: Any) -> Any:
    """Round what was measured to four digits; JSON has no infinity and no NaN."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None
