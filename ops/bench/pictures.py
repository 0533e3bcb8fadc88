"""Draws a day's results: throughput as bars, latency as lines over percentiles. SVG, by hand.

Ours is blue and theirs is grey in every picture. A tick on a bar marks the target.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from ops.bench.results import line_of

OURS, THEIRS, TARGET, INK, FAINT = "#2563eb", "#94a3b8", "#dc2626", "#0f172a", "#e2e8f0"
_FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
_WIDTH = 880
_LEFT, _RIGHT, _TOP = 220, 90, 78
_BAR, _ROW, _HEADING = 15, 46, 30
_INSET = 22  # of the first and last percentile, whose figures are wider than their dots
_FIGURE = 44  # the width of a figure beside a bar


@dataclass
class Canvas:
    """The elements of a picture, in the order in which they are painted."""

    height: float
    elements: list[str] = field(default_factory=list)

    def rectangle(
        self, x: float, y: float, width: float, height: float, color: str, radius: float = 2
    ) -> None:
        """A filled rectangle."""
        self.elements.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" '
            f'rx="{radius:g}" fill="{color}"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, color: str, width: float) -> None:
        """A straight line."""
        self.elements.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{color}" stroke-width="{width:g}"/>'
        )

    def curve(self, points: Sequence[tuple[float, float]], color: str) -> None:
        """A line through points, with a dot on each."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.elements.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5" '
            'stroke-linejoin="round"/>'
        )
        for x, y in points:
            self.elements.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 12,
        anchor: str = "start",
        color: str = INK,
        weight: int = 400,
    ) -> None:
        """One line of text; ``anchor``: start, middle or end."""
        self.elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{color}" font-weight="{weight}">{escape(words)}</text>'
        )

    def svg(self) -> str:
        """The whole file; white behind it, for readers whose page is dark."""
        body = "\n".join(self.elements)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {self.height:g}" '
            f'width="{_WIDTH}" height="{self.height:g}" font-family="{_FONT}">\n'
            f'<rect width="{_WIDTH}" height="{self.height:g}" fill="#ffffff"/>\n{body}\n</svg>\n'
        )


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Write the pictures of a document beside it, those for which it has rows."""
    day, rows = path.stem, document["rows"]
    subtitle = f"{day}, {document['machine']['cores']} cores; medians of paired runs"
    rates = [row for row in rows if row["unit"].endswith("/s") and row["ours"] and row["theirs"]]
    timed = [row for row in rows if row["latencies_ms"]]
    if rates:
        path.with_name(f"{day}-throughput.svg").write_text(throughput(rates, subtitle))
    if timed:
        path.with_name(f"{day}-latency.svg").write_text(latency(timed, subtitle))


def throughput(rows: Sequence[Mapping[str, Any]], subtitle: str) -> str:
    """Two bars a row, ours and theirs; the rows of a line have an axis of their own, from zero.

    The longest bar or farthest target of each line is as wide as the picture: lines are of
    different things, and only bars below one heading compare.
    """
    lines = [list(group) for _, group in groupby(rows, lambda row: line_of(row["name"]))]
    canvas = Canvas(_TOP + _ROW * len(rows) + _HEADING * len(lines) + 8)
    _head(canvas, "Throughput, per second; each line has its own scale", subtitle, "target")
    y = float(_TOP)
    for line in lines:
        _line(canvas, line, y)
        y += _HEADING + _ROW * len(line)
    return canvas.svg()


def latency(rows: Sequence[Mapping[str, Any]], subtitle: str) -> str:
    """One panel a row: milliseconds over percentiles, on a logarithmic axis."""
    panel, columns = 290, 2
    canvas = Canvas(_TOP + panel * math.ceil(len(rows) / columns))
    _head(canvas, "Time from scheduled send to answer, ms, logarithmic", subtitle, "")
    sides = [side for row in rows for side in row["latencies_ms"].values()]
    values = [value for side in sides for value in side.values() if value]
    decades = (math.floor(math.log10(min(values))), max(math.ceil(math.log10(max(values))), 1))
    for number, row in enumerate(rows):
        left = 70 + (number % columns) * (_WIDTH // columns)
        _panel(canvas, row, left, _TOP + 20 + panel * (number // columns), decades)
    return canvas.svg()


def target_of(row: Mapping[str, Any]) -> float | None:
    """Return the rate that a row's target asks for; None where it is not a multiple of theirs."""
    limit = re.fullmatch(r">= ([\d.]+)x?", row["target"])
    return float(limit[1]) * float(row["theirs"]) if limit else None


def _head(canvas: Canvas, title: str, subtitle: str, hint: str) -> None:
    canvas.text(24, 32, title, size=18, weight=650)
    canvas.text(24, 52, subtitle, color="#64748b")
    canvas.rectangle(_WIDTH - 250, 22, 12, 12, OURS)
    canvas.text(_WIDTH - 232, 32, "Hookkeeper")
    canvas.rectangle(_WIDTH - 140, 22, 12, 12, THEIRS)
    canvas.text(_WIDTH - 122, 32, "compared with")
    if hint:
        canvas.line(_WIDTH - 244, 42, _WIDTH - 244, 56, TARGET, 2)
        canvas.text(_WIDTH - 232, 53, hint)


def _line(canvas: Canvas, rows: Sequence[Mapping[str, Any]], y: float) -> None:
    unit, bottom = rows[0]["unit"], y + _HEADING + _ROW * len(rows)
    canvas.text(24, y + 14, f"{line_of(rows[0]['name'])}, {unit}", size=13, weight=650)
    canvas.line(24, y + 21, _WIDTH - 24, y + 21, FAINT, 1)
    canvas.line(_LEFT, y + 24, _LEFT, bottom - 12, FAINT, 1)
    top = max(max(row["ours"], row["theirs"], target_of(row) or 0) for row in rows)
    scale = (_WIDTH - _LEFT - _RIGHT) / top
    for number, row in enumerate(rows):
        _bars(canvas, row, y + _HEADING + number * _ROW, scale)


def _bars(canvas: Canvas, row: Mapping[str, Any], y: float, scale: float) -> None:
    canvas.text(_LEFT - 12, y + 14, row["name"], anchor="end", weight=600)
    canvas.text(_LEFT - 12, y + 29, f"ratio {row['ratio']:.2f}", anchor="end", color="#64748b")
    wanted = target_of(row)
    tick = None if wanted is None else wanted * scale
    for key, color, offset in (("ours", OURS, 2), ("theirs", THEIRS, 2 + _BAR)):
        width = row[key] * scale
        canvas.rectangle(_LEFT, y + offset, width, _BAR - 1, color)
        near = tick is not None and 0 <= tick - width < _FIGURE  # the tick would cross the figure
        after = _LEFT + (tick if near and tick is not None else width) + 6
        canvas.text(after, y + offset + 11, f"{row[key]:,.0f}", size=11)
    if tick is not None:
        canvas.line(_LEFT + tick, y - 1, _LEFT + tick, y + 2 * _BAR + 3, TARGET, 2)


def _panel(
    canvas: Canvas, row: Mapping[str, Any], left: float, top: float, decades: tuple[int, int]
) -> None:
    width, height = _WIDTH / 2 - 110, 210.0
    canvas.text(left, top - 8, row["name"], weight=600)
    low, high = decades
    per_decade = height / (high - low)
    for decade in range(low, high + 1):
        y = top + height - (decade - low) * per_decade
        canvas.line(left, y, left + width, y, FAINT, 1)
        canvas.text(left - 8, y + 4, f"{10.0**decade:g}", size=11, anchor="end", color="#64748b")
    names = list(next(iter(row["latencies_ms"].values())))
    step = (width - 2 * _INSET) / max(len(names) - 1, 1)
    places = {name: left + _INSET + number * step for number, name in enumerate(names)}
    for name, x in places.items():
        canvas.text(x, top + height + 20, name, size=11, anchor="middle", color="#64748b")
    for side, color in (("theirs", THEIRS), ("ours", OURS)):
        found = row["latencies_ms"].get(side, {})
        values = {name: value for name, value in found.items() if value}  # None: endless
        points = [
            (places[name], _height(value, low, top + height, per_decade))
            for name, value in values.items()
        ]
        canvas.curve(points, color)
        for (x, y), value in zip(points, values.values(), strict=True):
            below = 18 if side == "theirs" else -9
            canvas.text(x, y + below, f"{value:.3g}", size=11, anchor="middle")


def _height(value: float, low: int, bottom: float, per_decade: float) -> float:
    return bottom - (math.log10(value) - low) * per_decade
