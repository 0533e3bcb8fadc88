"""``ops/bench/run``: measure lines of the table, print them, and write them down.

A line that fails does not take the others' results with it; the exit status is 1 then.
"""

import argparse
import importlib
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from ops.bench import machine, pictures, provenance, report, results
from ops.bench.figures import Row
from ops.bench.ground import Ground, Options
from ops.bench.provenance import Provenance

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Run:
    """What is the same for all lines of a run: the file is that of the day on which it began."""

    options: Options
    console: Console
    results: Path
    commit: str


def main(arguments: Sequence[str]) -> int:
    """Run the lines that were named, or all; the exit status."""
    parser = _parser()
    said = parser.parse_args(arguments)
    if unknown := sorted(set(said.names) - set(results.LINES)):
        parser.error(f"no such line: {', '.join(unknown)}; there are {', '.join(results.LINES)}")
    if said.list:
        print("\n".join(results.LINES))
        return 0
    if found := machine.in_memory(said.data):
        parser.error(
            f"{said.data} is in memory ({found}), where a sync costs nothing and durable means "
            "nothing; name a folder on a disk with --data"
        )
    signal.signal(signal.SIGTERM, _end)  # as Ctrl-C does: everything that was started ends
    options = Options(said.rounds, said.seconds, said.warm_up, said.minutes, said.data)
    console = Console(width=None if sys.stdout.isatty() else 170)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"
    run = Run(options, console, path, provenance.measured_commit())
    rows, failed = _measure(said.names or results.LINES, run)
    if rows:
        report.print_rows(rows, console)
    for name in failed:
        console.print(f"[red]{name} could not be measured[/]; the traceback stands above")
    return 1 if failed else 0


def _measure(lines: Sequence[str], run: Run) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failed: list[str] = []
    for line in lines:
        run.console.rule(line, align="left")
        try:
            found = _line(line, run)
        except Exception:  # noqa: BLE001 - whatever it was, the other lines are wanted
            traceback.print_exc()
            failed.append(line)
        else:
            rows += found
    return rows, failed


def _line(line: str, run: Run) -> list[Row]:
    measure: Callable[[Ground], list[Row]] = importlib.import_module(
        f"ops.bench.rows.{line}"
    ).measure
    tell = run.console.print
    with Ground(run.options, lambda text: tell(text, markup=False, highlight=False)) as ground:
        facts = machine.machine(ground.home)
        of_line = provenance.provenance(ground.home, run.commit)
        rows = measure(ground)
    if not keep(run, line, rows, of_line, facts):
        tell("shorter than the default: not written to the results")
    return rows


def keep(
    run: Run, line: str, rows: Sequence[Row], of_line: Provenance, facts: dict[str, object]
) -> bool:
    """Put a line's rows into the run's file and draw its pictures anew, if they are enough."""
    if not run.options.are_enough:
        return False
    before = results.read(run.results)
    document = results.merge(before, line, rows, of_line, facts, machine.versions())
    results.write(run.results, document)
    pictures.draw(document, run.results)
    return True


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


def _parser() -> argparse.ArgumentParser:
    default = Options()
    parser = argparse.ArgumentParser(prog="ops/bench/run", description="Measure side by side.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all lines")
    parser.add_argument("--list", action="store_true", help="print the names and do nothing")
    parser.add_argument("--rounds", type=int, default=default.rounds, help="pairs of a row")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="of one round")
    parser.add_argument("--warm-up", type=float, default=default.warm_up_seconds, help="seconds")
    parser.add_argument("--minutes", type=float, default=default.minutes, help="of `memory`")
    parser.add_argument("--data", type=Path, default=default.data, help="where databases go")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
