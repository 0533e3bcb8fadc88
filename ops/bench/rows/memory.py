"""What memory does: over a long run under a steady load, and for each event in flight.

The load is half of what the whole pipeline sustains, for 20 minutes; every process of ours is
sampled. What counts is the slope over the second half, when pools and caches have filled. For
the second figure the database is locked, so that accepted events pile up in memory, unanswered.
"""

import socket
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from ingest.store import open_database
from ops.bench import request
from ops.bench.backlog import reading
from ops.bench.figures import Row, Target, alone, slope
from ops.bench.ground import Ground
from ops.bench.hookkeeper import ROOT, Hookkeeper
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
#: Resident memory moves by pages and by what an allocator keeps; below this it did not grow.
TOLERANCE = 0.01
MEBIBYTE, KIBIBYTE = 2**20, 2**10
IN_FLIGHT = (250, 1_000)
#: A body of 2 KB, its headers, its connection and its task; ten times that would be a mistake.
IN_FLIGHT_LIMIT_KIB = 64
_HELD_SECONDS = 0.6  # less than the commit timeout: what is in flight is accepted in the end

Sample = tuple[float, dict[str, int]]


def measure(ground: Ground) -> list[Row]:
    """Return the slope of a steady run, and the memory of an event in flight."""
    return [_slope(ground), _in_flight(ground)]


def _slope(ground: Ground) -> Row:
    with (
        ground.database("sqlite") as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url, commands=COMMANDS, handlers=HANDLERS) as ours,
        reading(database.url) as backlog,
    ):
        rate = sustained_rate(ground, ours, backlog) / 2
        ground.tell(f"memory: {rate:,.0f} events/s for {ground.options.minutes:g} minutes")
        samples, failures = _sampled(ground, ours, rate)
    return _slope_row(samples, rate, failures)


def _sampled(ground: Ground, ours: Hookkeeper, rate: float) -> tuple[list[Sample], int]:
    """Offer the load and read each process's memory until it ends."""
    outcomes, log = ground.home / "outcomes", ground.home / "generator.log"
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


def _slope_row(samples: Sequence[Sample], rate: float, failures: int) -> Row:
    half = samples[len(samples) // 2 :]
    points = [(at, sum(roles.values())) for at, roles in half]
    a_second = slope(points)
    grown = abs(a_second) * (points[-1][0] - points[0][0])
    usual = median(value for _, value in points)
    target = Target(
        f"0 (grows < {TOLERANCE:.0%})", lambda _ours, _theirs, _ratio: grown < TOLERANCE * usual
    )
    roles = ", ".join(
        f"{role} {half[0][1][role] / MEBIBYTE:.0f} -> {half[-1][1][role] / MEBIBYTE:.0f} MiB"
        for role in half[0][1]
    )
    minutes = samples[-1][0] / 60
    an_event = a_second / rate
    note = f"second half of {minutes:.0f} minutes at {rate:,.0f} events/s, SQLite; {roles}; "
    note += f"{an_event:.1f} bytes an event"
    if failures:
        note += f"; {failures} requests failed"
    return alone("memory.slope", "MiB/h", [a_second * 3_600 / MEBIBYTE], target, note=note)


def _in_flight(ground: Ground) -> Row:
    found = {number: _bytes_in_flight(ground, number) for number in IN_FLIGHT}
    values = {number: each / KIBIBYTE for number, (each, _) in found.items()}
    few, many = (values[number] for number in IN_FLIGHT)
    target = Target(
        f"<= {IN_FLIGHT_LIMIT_KIB} KiB, not growing",
        lambda ours, _theirs, _ratio: ours <= IN_FLIGHT_LIMIT_KIB and ours <= 1.5 * max(few, 1),
    )
    said = ", ".join(
        f"{number} at once: {values[number]:.1f} KiB each, {accepted} of them accepted"
        for number, (_, accepted) in found.items()
    )
    note = f"{said}; HOOKKEEPER_MAX_IN_FLIGHT bounds their sum"
    return alone("memory.in_flight", "KiB/event", [many], target, note=note)


def _bytes_in_flight(ground: Ground, number: int) -> tuple[float, int]:
    """Bytes that a fresh receiver grows by for each of so many events; how many it accepted."""
    with (
        ExitStack() as stack,
        ground.database("sqlite") as database,
        ground.redis() as redis,
        ground.hookkeeper(database.url, redis.url) as ours,
    ):
        ground.wrk(ours.url, 64, 2)  # what a warm process has anyway
        address = ("127.0.0.1", ours.port)
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(number)]
        store = open_database(database.url)
        stack.callback(store.close)
        before = resident_bytes(ours.roots)
        with store.write():
            _send(sockets, request.template(ours.url))
            most = _most_resident(ours)
        accepted = sum(answer.recv(4_096).split(b" ", 2)[1] == b"202" for answer in sockets)
    return max(0, most - before) / number, accepted


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
