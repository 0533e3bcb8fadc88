"""What memory does: over a long run under a steady load, and for each event in flight.

The load is half of what the whole pipeline sustains, for 20 minutes; every process of ours is
sampled. What counts is the slope over the second half, when pools and caches have filled, of each
role by itself. For the second figure the database is locked, so that accepted events pile up in
memory, unanswered.
"""

import math
import socket
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median
from typing import TypeVar

from sqlalchemy import text

from ingest.store import open_database
from ops.bench import request
from ops.bench.backlog import reading
from ops.bench.figures import Row, Target, alone, slope
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import ROOT, Hookkeeper
from ops.bench.limits import allow_open_files
from ops.bench.openloop import command, read
from ops.bench.processes import Process, cpu_seconds, resident_bytes
from ops.bench.rows.overload import COMMANDS, sustained_rate

HANDLERS = '''
from ingest import Event, on


@on("github")
def nothing(event: Event) -> None:
    """Do nothing."""
'''
SAMPLE_SECONDS = 5.0
#: The second half of the samples in so many stretches, each a point of the line: samples a few
#: seconds apart repeat each other, and would make its error look small. Student's t with two fewer.
STRETCHES, T_95 = 10, 2.306
#: An arena of Python's allocator: the step in which a process takes memory. What a role grew by
#: less than this was no more than one step, whatever its error says.
STEP_MIB = 1
GROWS = "it grew; what kept it has not been found: see the bytes an event, and take it apart"
LARGE = "an event in flight is kept more than once, or more with each that waits; take it apart"
MEBIBYTE, KIBIBYTE = 2**20, 2**10
IN_FLIGHT = (250, 1_000)
#: A body of 2 KB, its headers and its connection; several times that would be a mistake.
IN_FLIGHT_LIMIT_KIB = 64
_SPARE_FILES = 200
_HELD_SECONDS = 0.6  # less than the commit timeout: what is in flight is accepted in the end

T = TypeVar("T")
Sample = tuple[float, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Watched:
    """A steady run: samples of memory by role, at which rate, and what came of it.

    ``cpu_seconds``: what each role spent on ``events``. ``unpublished``: left to the scheduler.
    """

    samples: Sequence[Sample]
    rate: float
    failures: int = 0
    events: int = 0
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    unpublished: int = 0


def measure(ground: Ground) -> list[Row]:
    """Return the slopes of a steady run on each database, and the memory of an event in flight."""
    allow_open_files(max(IN_FLIGHT) + _SPARE_FILES)
    return [row for kind in KINDS for row in (*_slopes(ground, kind), _in_flight(ground, kind))]


def _slopes(ground: Ground, kind: Kind) -> list[Row]:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, commands=COMMANDS, handlers=HANDLERS) as ours,
        reading(database.url) as backlog,
    ):
        rate = sustained_rate(ground, ours, backlog) / 2
        ground.tell(f"memory.{kind}: {rate:,.0f} events/s for {ground.options.minutes:g} minutes")
        return slope_rows(kind, _watched(ground, ours, rate))


def _watched(ground: Ground, ours: Hookkeeper, rate: float) -> Watched:
    """Offer the load and read each process's memory until it ends."""
    folder = ground.folder("generator")
    outcomes, log = folder / "outcomes", folder / "generator.log"
    seconds = ground.options.minutes * 60
    words = command(ours.url, rate, seconds, outcomes, 64, even=True)
    samples: list[Sample] = []
    before, started, pause = _by_role(ours, cpu_seconds), time.monotonic(), threading.Event()
    with Process(ground.guard, words, log=log, folder=ROOT) as generator:
        while generator.status is None:
            ours.check()
            samples.append((time.monotonic() - started, _by_role(ours, resident_bytes)))
            pause.wait(min(SAMPLE_SECONDS, seconds / 20))
        spent = {role: all_ - before[role] for role, all_ in _by_role(ours, cpu_seconds).items()}
        offered = read(outcomes, generator.tail(), seconds)
    left = ours.published().failed
    return Watched(samples, rate, offered.failures, offered.load.acknowledged, spent, left)


def _by_role(ours: Hookkeeper, read: Callable[[list[int]], T]) -> dict[str, T]:
    """Read something of the processes that descend from a command, summed: web, worker, ..."""
    found: dict[str, list[int]] = defaultdict(list)
    for process, role in zip(ours.processes, COMMANDS, strict=True):
        found[role].append(process.pid)
    return {role: read(pids) for role, pids in found.items()}


def slope_rows(kind: Kind, found: Watched) -> list[Row]:
    """Judge each role by itself: one that shrinks must not hide one that grows."""
    samples = found.samples[len(found.samples) // 2 :]
    return [
        _slope_row(f"memory.{kind}.{role}", role, [(at, size[role]) for at, size in samples], found)
        for role in samples[0][1]
    ]


def _slope_row(name: str, role: str, points: Sequence[tuple[float, int]], found: Watched) -> Row:
    a_second, error = slope(_stretches(points))
    grown = a_second * (points[-1][0] - points[0][0]) / MEBIBYTE
    grows = a_second > T_95 * error
    minutes = (points[-1][0] - points[0][0]) / 60
    target = Target(
        f"0, or < {STEP_MIB} MiB in {minutes:.0f} min", lambda _found: not grows or grown < STEP_MIB
    )
    hourly, margin = (each * 3_600 / MEBIBYTE for each in (a_second, T_95 * error))
    told = "distinguishable" if abs(a_second) > T_95 * error else "not distinguishable"
    note = f"{hourly:+.2f} MiB/h, +- {margin:.2f} at 95 %: {told} from 0; "
    note += f"{points[0][1] / MEBIBYTE:.1f} -> {points[-1][1] / MEBIBYTE:.1f} MiB, "
    note += f"{a_second / found.rate:.1f} bytes an event; second half of "
    note += f"{found.samples[-1][0] / 60:.0f} minutes at {found.rate:,.0f} events/s"
    note += f"; {found.failures} requests failed" if found.failures else ""
    note += f"; {found.unpublished} could not be published" if found.unpublished else ""
    spent = found.cpu_seconds.get(role, 0.0)
    return alone(
        *(name, "MiB/h", [hourly], target),
        reason=GROWS,
        ours_per_cpu_second=found.events / spent if spent else None,
        note=f"{note}; events per CPU-second of this role",
    )


def _stretches(points: Sequence[tuple[float, int]]) -> list[tuple[float, float]]:
    """Return the mean of each of some equal stretches of points."""
    number = min(STRETCHES, len(points))
    edges = [len(points) * each // number for each in range(number + 1)]
    parts = [points[first:last] for first, last in pairwise(edges)]
    return [(fmean(at for at, _ in part), fmean(size for _, size in part)) for part in parts]


def _in_flight(ground: Ground, kind: Kind) -> Row:
    with ground.database(kind) as database, ground.redis() as redis:
        found = {
            number: [
                _bytes_in_flight(ground, kind, (database.url, redis.url), number)
                for _ in range(ground.options.rounds)
            ]
            for number in IN_FLIGHT
        }
    return in_flight_row(kind, found)


def in_flight_row(kind: Kind, found: Mapping[int, Sequence[tuple[int, int]]]) -> Row:
    """Judge rounds of (bytes grown, events accepted) by how many were sent at once.

    One that was refused may have been in flight for a while, but only the accepted ones count.
    """
    values = {
        number: [
            grown / KIBIBYTE / accepted if accepted else math.inf for grown, accepted in rounds
        ]
        for number, rounds in found.items()
    }
    few = median(values[min(IN_FLIGHT)])
    target = Target(
        f"<= {IN_FLIGHT_LIMIT_KIB} KiB, not growing",
        lambda found: found.ours <= min(IN_FLIGHT_LIMIT_KIB, 1.5 * max(few, 1)),
    )
    said = ", ".join(
        f"{number:,} at once: {median(values[number]):.1f} KiB each, "
        f"{min(accepted for _, accepted in rounds):,} or more accepted"
        for number, rounds in found.items()
    )
    note = f"{said}; HOOKKEEPER_MAX_IN_FLIGHT bounds their sum"
    name = f"memory.{kind}.in_flight"
    return alone(name, "KiB/event", values[max(IN_FLIGHT)], target, reason=LARGE, note=note)


def _bytes_in_flight(
    ground: Ground, kind: Kind, urls: tuple[str, str], number: int
) -> tuple[int, int]:
    """Bytes that a fresh receiver grows by with so many events; how many it accepted."""
    with ExitStack() as stack, ground.hookkeeper(*urls) as ours:
        ground.wrk(ours.url, 64, 2)  # what a warm process has anyway
        before, address = resident_bytes(ours.roots), ("127.0.0.1", ours.port)
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(number)]
        store = open_database(ours.database_url)
        stack.callback(store.close)
        with store.write() as tx:  # on SQLite nobody else can write now
            if kind == "postgresql":
                tx.execute(text("LOCK TABLE events IN EXCLUSIVE MODE"))
            _send(sockets, request.template(ours.url))
            most = _most_resident(ours)
        accepted = sum(answer.recv(4_096).split(b" ", 2)[1] == b"202" for answer in sockets)
    return max(0, most - before), accepted


def _send(sockets: Sequence[socket.socket], template: bytes) -> None:
    salt = uuid.uuid4().hex[:8].encode()
    for number, each in enumerate(sockets):
        each.settimeout(10)
        each.sendall(template.replace(request.DELIVERY, b"%b%028d" % (salt, number)))


def _most_resident(ours: Hookkeeper) -> int:
    deadline, pause, most = time.monotonic() + _HELD_SECONDS, threading.Event(), 0
    while time.monotonic() < deadline:
        most = max(most, resident_bytes(ours.roots))
        pause.wait(0.02)
    return most
