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
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from ingest.store import open_database
from ops.bench import request
from ops.bench.backlog import reading
from ops.bench.figures import Row, Target, alone, slope
from ops.bench.ground import KINDS, Ground, Kind
from ops.bench.hookkeeper import ROOT, Hookkeeper
from ops.bench.limits import allow_open_files
from ops.bench.openloop import command, read
from ops.bench.processes import Process, resident_bytes
from ops.bench.rows.overload import COMMANDS, sustained_rate

HANDLERS = '''
from ingest import Event, on


@on("github")
def nothing(event: Event) -> None:
    """Do nothing."""
'''
SAMPLE_SECONDS = 5.0
#: Resident memory moves by pages and by what an allocator keeps; below this it did not grow. For a
#: role of 100 MiB, in ten minutes at 1,000 events/s, it is less than two bytes an event.
TOLERANCE = 0.01
GROWS = "it grew; what kept it has not been found: see the bytes an event, and take it apart"
LARGE = "an event in flight is kept more than once, or more with each that waits; take it apart"
MEBIBYTE, KIBIBYTE = 2**20, 2**10
IN_FLIGHT = (250, 1_000)
#: A body of 2 KB, its headers and its connection; several times that would be a mistake.
IN_FLIGHT_LIMIT_KIB = 64
_SPARE_FILES = 200
_HELD_SECONDS = 0.6  # less than the commit timeout: what is in flight is accepted in the end

Sample = tuple[float, dict[str, int]]


def measure(ground: Ground) -> list[Row]:
    """Return the slopes of a steady run on each database, and the memory of an event in flight."""
    allow_open_files(max(IN_FLIGHT) + _SPARE_FILES)
    return [*(row for kind in KINDS for row in _slopes(ground, kind)), _in_flight(ground)]


def _slopes(ground: Ground, kind: Kind) -> list[Row]:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, commands=COMMANDS, handlers=HANDLERS) as ours,
        reading(database.url) as backlog,
    ):
        rate = sustained_rate(ground, ours, backlog) / 2
        ground.tell(f"memory.{kind}: {rate:,.0f} events/s for {ground.options.minutes:g} minutes")
        samples, failures = _sampled(ground, ours, rate)
    return slope_rows(kind, samples, rate, failures)


def _sampled(ground: Ground, ours: Hookkeeper, rate: float) -> tuple[list[Sample], int]:
    """Offer the load and read each process's memory until it ends."""
    folder = ground.folder("generator")
    outcomes, log = folder / "outcomes", folder / "generator.log"
    seconds = ground.options.minutes * 60
    words = command(ours.url, rate, seconds, outcomes, 64, even=True)
    samples: list[Sample] = []
    started, pause = time.monotonic(), threading.Event()
    with Process(ground.guard, words, log=log, folder=ROOT) as generator:
        while generator.status is None:
            ours.check()
            samples.append((time.monotonic() - started, _resident_by_role(ours)))
            pause.wait(min(SAMPLE_SECONDS, seconds / 20))
        offered = read(outcomes, generator.tail(), seconds)
    return samples, offered.failures


def _resident_by_role(ours: Hookkeeper) -> dict[str, int]:
    """Bytes by the command that a process descends from: web, worker, scheduler."""
    found: dict[str, int] = defaultdict(int)
    for process, role in zip(ours.processes, COMMANDS, strict=True):
        found[role] += resident_bytes([process.pid])
    return dict(found)


def slope_rows(kind: Kind, samples: Sequence[Sample], rate: float, failures: int) -> list[Row]:
    """Judge each role by itself: one that shrinks must not hide one that grows."""
    half = samples[len(samples) // 2 :]
    note = f"second half of {samples[-1][0] / 60:.0f} minutes at {rate:,.0f} events/s"
    if failures:
        note += f"; {failures} requests failed"
    return [
        _slope_row(f"memory.{kind}.{role}", [(at, found[role]) for at, found in half], rate, note)
        for role in half[0][1]
    ]


def _slope_row(name: str, points: Sequence[tuple[float, int]], rate: float, note: str) -> Row:
    a_second = slope(points)
    grown = a_second * (points[-1][0] - points[0][0])
    usual = median(value for _, value in points)
    target = Target(
        f"0 (grows < {TOLERANCE:.0%})", lambda _ours, _theirs, _ratio: grown < TOLERANCE * usual
    )
    first, last = points[0][1] / MEBIBYTE, points[-1][1] / MEBIBYTE
    note = f"{first:.1f} -> {last:.1f} MiB, {a_second / rate:.1f} bytes an event; {note}"
    hourly = a_second * 3_600 / MEBIBYTE
    return alone(name, "MiB/h", [hourly], target, reason=GROWS, note=note)


def _in_flight(ground: Ground) -> Row:
    rounds = range(ground.options.rounds)
    found = {number: [_bytes_in_flight(ground, number) for _ in rounds] for number in IN_FLIGHT}
    return in_flight_row(found)


def in_flight_row(found: Mapping[int, Sequence[tuple[int, int]]]) -> Row:
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
        lambda ours, _theirs, _ratio: ours <= IN_FLIGHT_LIMIT_KIB and ours <= 1.5 * max(few, 1),
    )
    said = ", ".join(
        f"{number:,} at once: {median(values[number]):.1f} KiB each, "
        f"{min(accepted for _, accepted in rounds):,} or more accepted"
        for number, rounds in found.items()
    )
    note = f"{said}; SQLite; HOOKKEEPER_MAX_IN_FLIGHT bounds their sum"
    return alone(
        *("memory.in_flight", "KiB/event", values[max(IN_FLIGHT)], target), reason=LARGE, note=note
    )


def _bytes_in_flight(ground: Ground, number: int) -> tuple[int, int]:
    """Bytes that a fresh receiver grows by with so many events; how many it accepted."""
    with (
        ExitStack() as stack,
        ground.database("sqlite") as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url) as ours,
    ):
        ground.wrk(ours.url, 64, 2)  # what a warm process has anyway
        before, address = resident_bytes(ours.roots), ("127.0.0.1", ours.port)
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(number)]
        store = open_database(database.url)
        stack.callback(store.close)
        with store.write():
            _send(sockets, request.template(ours.url))
            most = _most_resident(ours)
        accepted = sum(answer.recv(4_096).split(b" ", 2)[1] == b"202" for answer in sockets)
    return max(0, most - before), accepted


def _send(sockets: Sequence[socket.socket], template: bytes) -> None:
    for number, each in enumerate(sockets):
        each.settimeout(10)
        each.sendall(template.replace(request.DELIVERY, b"%036d" % number))


def _most_resident(ours: Hookkeeper) -> int:
    deadline, pause, most = time.monotonic() + _HELD_SECONDS, threading.Event(), 0
    while time.monotonic() < deadline:
        most = max(most, resident_bytes(ours.roots))
        pause.wait(0.02)
    return most
