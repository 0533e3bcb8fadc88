"""The table that a person reads in the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ops.bench.figures import Row

_THOUSAND = 1_000
_TEN = 10
_CPU = ("ours / CPU s", "theirs / CPU s", "ratio / CPU s")


def print_rows(rows: Sequence[Row], console: Console) -> None:
    """Print rows side by side, and below them what has to be said about some."""
    table = Table(title="Hookkeeper, side by side", title_justify="left", header_style="bold")
    table.add_column("what")
    table.add_column("unit")
    for heading in ("ours", "theirs", "ratio", "target", "met", *_CPU):
        table.add_column(heading, justify="right")
    for row in rows:
        met = "[green]yes[/]" if row.met else "[red]MISSED[/]"
        table.add_row(
            *(row.name, row.unit, figure(row.ours), figure(row.theirs), _ratio(row.ratio)),
            *(row.target, met),
            *(figure(row.ours_per_cpu_second), figure(row.theirs_per_cpu_second)),
            _ratio(row.ratio_per_cpu_second),
        )
    console.print(table)
    for row in rows:
        said = "; ".join(filter(None, (row.against and f"against {row.against}", row.note)))
        runs = "one run" if row.runs == 1 else f"{row.runs} runs"
        console.print(f"{row.name}: {said} ({runs})", markup=False, highlight=False)
        if row.reason:
            console.print(f"  missed: {row.reason}", markup=False, highlight=False)


def figure(value: float | None) -> str:
    """Spell a figure with three digits that matter, or a dash."""
    if value is None:
        return "-"
    if abs(value) >= _THOUSAND:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _TEN else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
