"""Makes report.md of the results: by fault, what was struck how often and what came of it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops.torture.catalogue import DATABASES, Fault
from ops.torture.results import Result
from ops.torture.verdict import percentile
from ops.torture.written import RESTART_MOST_SECONDS, RESTART_P99_SECONDS

_NAMED = 3  # faults that are named where many were struck as rarely

_HEAD = """\
# What was struck, and what came of it

Made by `ops/torture/run --report` from `ops/torture/results.jsonl`; `ops/torture/README.md` says
what is checked. A trial strikes several faults under one load, so its events count in the row of
each of them; the sums at the top count every trial once. *Lost* are acknowledged events that are
not stored, *doubled* are second committed effects, *restart* is from a death to the next start of
the work that it interrupted. An external send is allowed once, and once more for each attempt that
failed or crashed, but not before a byte had left. *Resumed* is from the end of a fault to the next
acknowledgement. Times are as they were; what is promised is judged by the time that it would have
taken on a machine of its own, which each trial measures.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Where and when, for the head of the report."""

    machine: str
    commands: Sequence[str]


def make(
    results: Sequence[Result], faults: Mapping[str, Fault], circumstances: Circumstances
) -> str:
    """Write the whole report."""
    sums, table = _sums(results, faults, circumstances), _table(results, faults)
    return "\n".join([_HEAD, *sums, "", *table, "", *_failures(results), ""])


def _sums(
    results: Sequence[Result], faults: Mapping[str, Fault], circumstances: Circumstances
) -> list[str]:
    if not results:
        return ["Nothing was run yet."]
    rows = {
        "trials, of them clean": f"{len(results):,}, {sum(one.clean for one in results):,}",
        **_figures(results),
        "fewest strikes of a fault on a database": _fewest(results, faults),
        **_times(results),
        "machine": circumstances.machine,
        "commands": "; ".join(f"`{command}`" for command in circumstances.commands),
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _figures(results: Sequence[Result]) -> dict[str, str]:
    def total(*names: str) -> str:
        return ", ".join(f"{_sum(results, name):,}" for name in names)

    struck = {(name, one.database) for one in results for name in one.struck}
    return {
        "faults struck, counted on each database": f"{len(struck):,}",
        "strikes": f"{sum(len(one.struck) for one in results):,}",
        "events acknowledged": total("acknowledged"),
        "requests refused or unanswered, and sent again": total("refused"),
        "lost": total("lost"),
        "committed effects, of them doubled": total("committed", "duplicated"),
        "external sends, crashed starts": total("sends", "crashes"),
    }


def _fewest(results: Sequence[Result], faults: Mapping[str, Fault]) -> str:
    """What was struck least, of all that could be: those that ask to be named apart."""
    struck = Counter((name, one.database) for one in results for name in one.struck)
    wanted = [(one.name, to) for one in faults.values() if not one.asked for to in one.databases]
    fewest = min((struck[each] for each in wanted), default=0)
    names = [
        f"{name} ({database})" for name, database in wanted if struck[name, database] == fewest
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{fewest}: {', '.join(names[:_NAMED])}{more}"


def _restarts_kept(results: Sequence[Result]) -> str:
    """Whether killed work restarted as soon as is promised, each trial by its own stretch."""
    own = [each / one.stretch for one in results for each in one.restarts]
    kept = percentile(own, 0.99) <= RESTART_P99_SECONDS
    kept = kept and max(own, default=0.0) <= RESTART_MOST_SECONDS
    return f"{_seconds(own)}: {'kept' if kept else 'BROKEN'}"


def _resumed(results: Sequence[Result], fault: str = "") -> list[float]:
    """How long after each fault, or one of them, it took to be accepting again; inf: for ever."""
    return [
        math.inf if seconds is None else seconds
        for one in results
        for name, seconds in one.resumes.items()
        if fault in ("", name)
    ]


def _times(results: Sequence[Result]) -> dict[str, str]:
    restarts = [each for one in results for each in one.restarts]
    promised = f"p99 <= {RESTART_P99_SECONDS:g} s, all <= {RESTART_MOST_SECONDS:g} s"
    quiescent = [one.quiescent for one in results if one.quiescent is not None]
    dates = sorted(one.at for one in results)
    loads = [one.load for one in results]
    return {
        "restart p50, p99, longest": _seconds(restarts),
        f"the same on a machine of its own, promised {promised}": _restarts_kept(results),
        "resumed after p50, p99, longest": _seconds(_resumed(results)),
        "quiescent after p50, p99, longest": _seconds(quiescent),
        "from, to": f"{dates[0]}, {dates[-1]}",
        "commits": _counted(one.commit for one in results),
        "fingerprints of the trials": _counted(one.fingerprint for one in results),
        "processes that wanted a core, median": f"{percentile(loads, 0.5):.0f}",
        "time limits stretched by, median": f"{percentile([r.stretch for r in results], 0.5):.1f}",
    }


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in Counter(names).most_common())


def _seconds(values: Sequence[float]) -> str:
    shown = (percentile(values, 0.5), percentile(values, 0.99), max(values, default=0.0))
    return ", ".join(f"{value:.1f} s" for value in shown)


def _table(results: Sequence[Result], faults: Mapping[str, Fault]) -> list[str]:
    head = "| fault | | database | struck | clean | acknowledged | lost | doubled | restart p99 |"
    rows = [f"{head} resumed at most |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, fault in faults.items():
        for database in DATABASES:
            hit = [one for one in results if one.database == database and name in one.struck]
            if hit:
                rows.append(_row(fault, database, hit))
    return rows


def _row(fault: Fault, database: str, hit: Sequence[Result]) -> str:
    restarts = [each for one in hit for each in one.restarts]
    resumed = _resumed(hit, fault.name)
    cells = (
        f"{fault.name} ({fault.of})",
        fault.what,
        database,
        str(len(hit)),
        str(sum(one.clean for one in hit)),
        f"{_sum(hit, 'acknowledged'):,}",
        f"{_sum(hit, 'lost'):,}",
        f"{_sum(hit, 'duplicated'):,}",
        f"{percentile(restarts, 0.99):.1f} s" if restarts else "",
        f"{max(resumed):.1f} s" if resumed else "",
    )
    return f"| {' | '.join(cells)} |"


def _failures(results: Sequence[Result]) -> list[str]:
    failed = [one for one in results if not one.clean]
    if not failed:
        return ["No trial was violated."] if results else []
    lines = ["## Violations", ""]
    for one in failed:
        lines.append(f"* trial {one.seed}, {one.database}, {', '.join(one.faults)}, {one.commit}:")
        lines += [f"  * {violation}" for violation in one.violations]
    return lines


def _sum(results: Sequence[Result], name: str) -> int:
    return sum(int(getattr(one, name)) for one in results)
