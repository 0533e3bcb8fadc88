"""A plan: which request is sent when, and what has to be answered. The same seed, the same plan.

A load generator needs no more than this module and ``scorecard.py``::

    senders, silent = senders_of(config.sources, url_of, now, private_keys={})
    card = Scorecard()
    for planned in plan(senders, Wanted(seed=1, events=1_000, rate=200.0), start=now, run="a"):
        ...  # wait until planned.at seconds after the start
        answer = post(planned.request(now_ms()), timeout=planned.deadline)
        card.note(planned, answer)  # and again after each of planned.waits without a 2xx
    assert card.verdict().as_expected

Requests come in the order of their time; of one event, in the order of its sendings. Nothing is
signed before ``planned.request(now)`` is called, so a player that lags does not send stale ones.
Further sendings of one event follow within seconds: a plan's memory is bounded, however long it is.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.simulator.days import SCENES, Stage, can_play
from ingest.simulator.planned import Day, Planned
from ingest.simulator.repeating import tells_apart
from ingest.simulator.senders import Sender


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a plan is to hold.

    Of ``events`` events none begins later than ``seconds`` after the start; ``rate`` is how many
    begin a second, on average. ``days`` are mixed evenly. ``within``: the seconds in which an
    event's further sendings come, its provider's retries among them.
    """

    seed: int
    events: int
    rate: float
    seconds: float = 3_600.0
    days: tuple[Day, ...] = tuple(Day)
    within: float = 5.0


def plan(senders: Sequence[Sender], wanted: Wanted, *, start: int, run: str) -> Iterator[Planned]:
    """Yield what is sent, by its time. ``start`` is the plan's beginning in ms since the epoch.

    ``run`` makes the events' ids differ from those of another run of the same seed, which the
    receiver would take for repetitions. A day that no sender can have is left out
    (``days.can_play``); raises ValueError where none is left.
    """
    rng = random.Random(wanted.seed)  # noqa: S311 -- chance that can be had again, no secret
    stage = Stage(rng, start, wanted.within, lambda number: _event_id(run, wanted.seed, number))
    players = _players(senders, wanted.days)
    if not players:
        raise ValueError("no source can have any of these days")
    waiting: list[tuple[float, int, Planned]] = []
    order = itertools.count()
    begun, at = 0, 0.0
    had = dict.fromkeys(sorted(players), 0)
    while begun < wanted.events and at <= wanted.seconds:
        day = min(had, key=lambda each: (had[each], rng.random()))
        scene = SCENES[day](stage, rng.choice(players[day]), at)
        fitting = [planned for planned in scene if planned.event < wanted.events]
        for planned in fitting:
            heapq.heappush(waiting, (planned.at, next(order), planned))
        had[day] -= begun
        begun = max(planned.event for planned in scene) + 1
        had[day] += begun
        at = begun / wanted.rate
        while waiting and waiting[0][0] < at:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _players(senders: Sequence[Sender], days: Sequence[Day]) -> dict[Day, list[Sender]]:
    able = {day: [sender for sender in senders if can_play(day, sender)] for day in days}
    return {day: found for day, found in able.items() if found}


def mixed_up(senders: Sequence[Sender], now: int) -> dict[str, str]:
    """Name the sources whose events the receiver cannot tell apart, and why: leave these out."""
    return {
        sender.source.name: 'with dedupe = "body" its samples are all the same event'
        for sender in senders
        if not all(tells_apart(sender, name, now) for name in sender.events)
    }


def _event_id(run: str, seed: int, number: int) -> str:
    digest = hashlib.sha256(f"{run}:{seed}:{number}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
