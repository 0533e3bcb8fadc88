"""The file of a day's results."""

import json
import math
from pathlib import Path
from typing import Any

from ops.bench.figures import Row
from ops.bench.results import LINES, line_of, merge, read, write

ROWS = Path(__file__).parents[3] / "ops" / "bench" / "rows"
MACHINE = {"cores": 2}
VERSIONS = {"python": "3.11.7"}


def measured(name: str, ours: float = 1.0) -> Row:
    return Row(name, "requests/s", ours, 2.0, ours / 2.0, ">= 0.5", True, "bare")


def merged(earlier: dict[str, Any] | None, *rows: Row) -> dict[str, Any]:
    return merge(earlier, line_of(rows[0].name), rows, MACHINE, VERSIONS)


def names(document: dict[str, Any]) -> list[str]:
    return [row["name"] for row in document["rows"]]


def test_a_document_says_what_was_measured_where_and_with_what() -> None:
    document = merged(None, measured("accept.sqlite.64"))

    assert document["machine"] == MACHINE
    assert document["versions"] == VERSIONS
    row = document["rows"][0]
    assert {key: row[key] for key in ("name", "ours", "theirs", "ratio", "target", "met")} == {
        "name": "accept.sqlite.64",
        "ours": 1.0,
        "theirs": 2.0,
        "ratio": 0.5,
        "target": ">= 0.5",
        "met": True,
    }


def test_a_line_that_is_measured_again_replaces_its_rows_and_no_others() -> None:
    first = merged(None, measured("accept.sqlite.64"), measured("accept.sqlite.256"))
    both = merged(first, measured("latency.sqlite.p99", 7.0))
    again = merged(both, measured("accept.sqlite.64", 3.0))

    assert names(again) == ["accept.sqlite.64", "latency.sqlite.p99"]
    assert [row["ours"] for row in again["rows"]] == [3.0, 7.0]


def test_rows_stand_in_the_order_of_the_table_however_they_came() -> None:
    document = merged(merged(None, measured("overload.lost")), measured("peers.arq"))

    assert names(document) == ["peers.arq", "overload.lost"]


def test_what_is_written_is_json_that_any_reader_takes(tmp_path: Path) -> None:
    path = tmp_path / "results" / "2026-11-23.json"
    write(path, merged(None, measured("accept.sqlite.64", math.inf)))

    text = path.read_text()
    assert "Infinity" not in text
    assert read(path) == json.loads(text)
    assert json.loads(text)["rows"][0]["ours"] is None


def test_a_day_without_results_has_none(tmp_path: Path) -> None:
    assert read(tmp_path / "2026-11-23.json") is None


def test_figures_are_written_with_the_digits_that_matter() -> None:
    assert merged(None, measured("accept.x", 12_345.678))["rows"][0]["ours"] == 12_350.0


def test_every_line_of_the_table_has_its_module() -> None:
    assert sorted(path.stem for path in ROWS.glob("*.py")) == sorted(LINES)
