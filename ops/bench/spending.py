"""Whose CPU time a measurement took: what a missed row's reason is made of."""

import re
import resource
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.bench.processes import command_line, cpu_seconds_of, parents

#: What of a command line names a process; whoever is not known counts as what started it.
_ROLES = (
    (re.compile(r"-m ingest\.(writer)\b"), ""),
    (re.compile(r"/hookkeeper (web|worker|scheduler)\b"), ""),
    (re.compile(r"-m dramatiq actors\b"), "worker"),
    (re.compile(r"-m actors\.(scheduler)\b"), ""),
    (re.compile(r"-m dramatiq ops\.bench\."), "dramatiq"),
    (re.compile(r"\b(?:redis|valkey)-server\b"), "redis"),
    (re.compile(r"\bpostgres\b"), "postgresql"),
    (re.compile(r"\buvicorn\b"), "server"),
)
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Spending:
    """Seconds of CPU time by who spent them, and how much of all cores was busy, from 0 to 1.

    ``generator``: what made the load, which belongs to no side.
    """

    seconds: Mapping[str, float]
    busy: float
    generator: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Seconds of CPU time that the side took."""
        return sum(self.seconds.values())


class Meter:
    """Reads what some processes and the whole machine spend from its making on."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = roots
        self._before = seconds_by_role(roots)
        self._children = _waited_for()
        self._busy, self._all = core_ticks(Path("/proc/stat").read_text())

    def read(self, generator: str = "", generator_seconds: float = 0.0) -> Spending:
        """Return what was spent. ``generator``: who made the load.

        It took so many seconds; 0: as many as the processes that we waited for meanwhile.
        """
        now = seconds_by_role(self._roots)
        found = {role: now[role] - self._before.get(role, 0.0) for role in now}
        made = {generator: generator_seconds or _waited_for() - self._children} if generator else {}
        busy, total = core_ticks(Path("/proc/stat").read_text())
        return Spending(found, (busy - self._busy) / max(1, total - self._all), made)


def seconds_by_role(roots: Iterable[int]) -> dict[str, float]:
    """Return the CPU time of processes and all that descend from them, by what each of them is."""
    of = parents()
    roles = {root: role_of(command_line(root)) or "other" for root in roots if root in of}
    walked, found = list(roles), dict[str, float]()
    for pid in walked:  # grows while it is walked
        for child in (each for each, parent in of.items() if parent == pid and each not in roles):
            roles[child] = role_of(command_line(child)) or roles[pid]
            walked.append(child)
        found[roles[pid]] = found.get(roles[pid], 0.0) + cpu_seconds_of(pid)
    return found


def role_of(command: str) -> str:
    """Return what a process is, by its command line; "" where that does not tell."""
    for pattern, role in _ROLES:
        if found := pattern.search(command):
            return role or found[1]
    return ""


def core_ticks(stat: str) -> tuple[int, int]:
    """Return how many ticks all cores were busy, and how many there were (proc_stat(5))."""
    ticks = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # but for idle and iowait


def spelled(rounds: Sequence[tuple[Spending, float]]) -> str:
    """Tell microseconds of each for a piece of work, and the busy share; "" for no rounds.

    ``rounds``: what was spent, and on how many pieces. Medians.
    """
    if not rounds:
        return ""
    costs: dict[str, list[float]] = defaultdict(list)
    for spending, work in rounds:
        for role, seconds in {**spending.seconds, **spending.generator}.items():
            costs[role].append(seconds / max(work, 1) * _MICROSECONDS)
    said = ", ".join(f"{role} {statistics.median(each):.0f} us" for role, each in costs.items())
    busy = statistics.median(spending.busy for spending, _ in rounds)
    return f"{said}, all cores {busy:.0%} busy"


def _waited_for() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
