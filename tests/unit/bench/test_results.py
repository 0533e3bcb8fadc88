"""The file of a day's results."""

import json
import math
from pathlib import Path
from typing import Any

from ops.bench.figures import Row
from ops.bench.provenance import Provenance
from ops.bench.results import LINES, line_of, merge, read, write

ROWS = Path(__file__).parents[3] / "ops" / "bench" / "rows"
MACHINE = {"cores": 2}
VERSIONS = {"python": "3.11.7"}
FIRST = Provenance("2026-11-23T22:31:00Z", "73fec94", 0.4, {"p99": 0.31999})
LATER = Provenance("2026-11-23T23:59:30Z", "0c43b55+changes", 2.6, {"p99": 80.0})


def measured(name: str, ours: float = 1.0) -> Row:
    return Row(name, "requests/s", ours, 2.0, ours / 2.0, ">= 0.5", True, "bare")


def merged(
    earlier: dict[str, Any] | None,
    *rows: Row,
    provenance: Provenance = FIRST,
    versions: dict[str, str] = VERSIONS,
) -> dict[str, Any]:
    return merge(earlier, line_of(rows[0].name), rows, provenance, MACHINE, versions)


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


def test_a_row_says_when_and_of_what_it_was_measured_and_keeps_it() -> None:
    document = merged(None, measured("accept.sqlite.64"))
    document = merged(document, measured("latency.sqlite.p99"), provenance=LATER)

    keys = ("measured_at", "commit", "load_before", "sync_ms")
    assert [[row[key] for key in keys] for row in document["rows"]] == [
        ["2026-11-23T22:31:00Z", "73fec94", 0.4, {"p99": 0.32}],
        ["2026-11-23T23:59:30Z", "0c43b55+changes", 2.6, {"p99": 80.0}],
    ]


def test_a_row_that_was_measured_with_another_version_says_so_however_often_others_are() -> None:
    document = merged(None, measured("accept.sqlite.64"), versions={"python": "3.11.6"})
    for _ in range(2):
        document = merged(document, measured("overload.lost"))

    older, newer = document["rows"]
    assert document["versions"] == VERSIONS
    assert older["then"] == {"versions": {"python": "3.11.6"}}
    assert "then" not in newer


def test_rows_of_an_older_file_that_lack_the_newer_keys_are_kept_as_they_are() -> None:
    old = {"name": "accept.sqlite.64", "ours": 1.0, "met": False}
    document = merged(
        {"machine": MACHINE, "versions": VERSIONS, "rows": [old]}, measured("peers.x")
    )

    assert document["rows"][0] == old


def test_rows_stand_in_the_order_of_the_table_however_they_came() -> None:
    document = merged(merged(None, measured("overload.lost")), measured("peers.arq"))

    assert names(document) == ["peers.arq", "overload.lost"]


def test_what_is_written_is_json_that_any_reader_takes(tmp_path: Path) -> None:
    path = tmp_path / "results" / "2026-11-23.json"
    write(path, merged(None, measured("accept.sqlite.64", math.inf)))

    text = path.read_text()
    assert "Infinity" not in text
    assert read(path) == json.loads(text)
    row = json.loads(text)["rows"][0]
    assert (row["ours"], row["note"]) == (None, "ours is endless; ratio is endless")


def test_a_day_without_results_has_none(tmp_path: Path) -> None:
    assert read(tmp_path / "2026-11-23.json") is None


def test_figures_are_written_with_the_digits_that_matter() -> None:
    assert merged(None, measured("accept.x", 12_345.678))["rows"][0]["ours"] == 12_350.0


def test_every_line_of_the_table_has_its_module() -> None:
    assert sorted(path.stem for path in ROWS.glob("*.py")) == sorted(LINES)
