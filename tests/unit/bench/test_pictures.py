"""The pictures beside a day's results."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from ops.bench.pictures import TARGET, draw, target_of

BARE = {"p50": 0.5, "p90": 1.0, "p99": 2.0, "p99.9": 9.0}


def document(**latencies_ms: dict[str, float]) -> dict[str, Any]:
    row = {"target": ">= 0.5", "met": True, "latencies_ms": {}, "ratio": 0.55}
    rows = [
        row | {"name": "accept.sqlite.64", "unit": "requests/s", "ours": 5_500, "theirs": 1e4},
        row | {"name": "memory.slope", "unit": "MiB/h", "ours": 0.1, "theirs": None},
    ]
    if latencies_ms:
        times = {"name": "latency <sqlite>", "unit": "ms", "latencies_ms": latencies_ms}
        rows.append(row | times | {"ours": 6.0, "theirs": 2.0})
    return {"machine": {"cores": 2}, "versions": {}, "rows": rows}


def texts(path: Path) -> list[str]:
    return [element.text or "" for element in ET.parse(path).iter() if element.tag.endswith("text")]


def test_throughput_shows_both_sides_of_every_rate_and_nothing_else(tmp_path: Path) -> None:
    draw(document(), tmp_path / "2026-11-23.json")

    shown = texts(tmp_path / "2026-11-23-throughput.svg")
    assert {"accept.sqlite.64", "5,500", "10,000", "ratio 0.55"} <= set(shown)
    assert "memory.slope" not in shown
    assert not (tmp_path / "2026-11-23-latency.svg").exists()


def test_each_line_has_a_scale_of_its_own(tmp_path: Path) -> None:
    """A million rows a second of one line must not make another line's bars invisible."""
    shown = document()
    large = {"name": "export.sqlite", "unit": "rows/s", "ours": 4e5, "theirs": 1e6}
    shown["rows"].append(shown["rows"][0] | large)
    draw(shown, tmp_path / "2026-11-23.json")

    bars = [
        float(element.attrib["width"])
        for element in ET.parse(tmp_path / "2026-11-23-throughput.svg").iter()
        if element.attrib.get("height") == "14.0"
    ]
    assert bars[1] == bars[3] > 500
    assert (bars[0] / bars[1], bars[2] / bars[3]) == (0.55, 0.4)
    words = texts(tmp_path / "2026-11-23-throughput.svg")
    assert {"accept, requests/s", "export, rows/s"} <= set(words)


def test_a_target_that_is_far_away_is_in_the_picture(tmp_path: Path) -> None:
    shown = document()
    shown["rows"][0] |= {"target": ">= 3x", "ours": 1.5e4}
    draw(shown, tmp_path / "2026-11-23.json")

    picture = ET.parse(tmp_path / "2026-11-23-throughput.svg")
    ticks = [
        float(element.attrib["x1"])
        for element in picture.iter()
        if element.attrib.get("stroke") == TARGET
    ]
    assert ticks[-1] == 790  # three times as far from the axis as theirs is long


def test_latency_shows_every_percentile_of_both_sides(tmp_path: Path) -> None:
    draw(document(ours={**BARE, "p99": 6.0}, theirs=BARE), tmp_path / "2026-11-23.json")

    shown = texts(tmp_path / "2026-11-23-latency.svg")
    assert {"latency <sqlite>", "p50", "p90", "p99", "p99.9", "6", "0.5"} <= set(shown)


def test_a_percentile_that_was_endless_is_left_out(tmp_path: Path) -> None:
    endless: dict[str, Any] = {**BARE, "p99.9": None}
    draw(document(ours=endless, theirs=BARE), tmp_path / "2026-11-23.json")

    assert "p99.9" in texts(tmp_path / "2026-11-23-latency.svg")


def test_the_tick_of_a_target_is_a_multiple_of_theirs() -> None:
    assert target_of({"target": ">= 0.5", "theirs": 10_000}) == 5_000
    assert target_of({"target": ">= 3x", "theirs": 2_000}) == 6_000
    assert target_of({"target": "<= 10 ms", "theirs": 2_000}) is None
