"""What a trial does, from its seed alone. Pure: the same seed is the same trial.

All rows of the catalogue, on each database they concern, are one deal: shuffled by the number of
the deal and cut into trials. Trial ``seed`` is one of deal ``seed // trials a deal``, so that many
seeds in a row strike every fault equally often.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops.torture.catalogue import DATABASES, Database, Fault

#: How many faults share a trial.
TOGETHER = 4
_FIRST_SECONDS = 2.0  # of load before the first strike
_PAUSE_SECONDS = (0.5, 2.5)  # between two strikes
_LAST_SECONDS = 3.0
_BRIEF_SECONDS = 1.0  # in place of the first and the last
_BRIEF_PAUSE_SECONDS = (0.3, 1.0)
#: What a stage can have for some faults and not for others: a copy of each file, little room.
_APART = frozenset({"standby", "small_disk", "power"})
_RATES = (80.0, 200.0)
_BRIEF_RATES = (40.0, 80.0)
_CONNECTIONS = (4, 16)
_FINGERPRINT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: when it begins (seconds after the load), how long it lasts, its own seed."""

    fault: str
    pause: float
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole trial."""

    seed: int
    database: Database
    needs: frozenset[str]
    strikes: tuple[Strike, ...]
    rate: float
    connections: int
    first_seconds: float
    last_seconds: float
    sabotage: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The faults that it strikes, in order."""
        return tuple(strike.fault for strike in self.strikes)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a deal is made of.

    ``each``: a fault is struck on every database it concerns, or else on one, in turn. ``brief``:
    each lasts as short as its row allows, the next follows soon, and the load is light.
    """

    faults: tuple[Fault, ...]
    databases: tuple[Database, ...] = DATABASES
    together: int = TOGETHER
    each: bool = True
    brief: bool = False


def trials_a_deal(choice: Choice) -> int:
    """How many trials it takes to strike everything once."""
    return len(_deal(choice, 0))


def fingerprint(choice: Choice, sabotage: str = "") -> str:
    """Name all that a trial depends on besides its seed: only under one name are seeds the same."""
    rows = [
        (
            fault.name,
            fault.databases,
            sorted(fault.needs),
            fault.seconds,
            fault.refusals,
            fault.quiescent_seconds,
            fault.rate,
            fault.last,
        )
        for fault in choice.faults
    ]
    everything = (rows, choice.databases, choice.together, choice.each, choice.brief, sabotage)
    return hashlib.sha256(repr(everything).encode()).hexdigest()[:_FINGERPRINT_DIGITS]


def make(choice: Choice, seed: int, sabotage: str = "") -> Plan:
    """Plan the trial of a seed."""
    deal, place = divmod(seed, trials_a_deal(choice))
    database, faults = _deal(choice, deal)[place]
    chance = random.Random(f"trial {seed}")
    pause = _BRIEF_PAUSE_SECONDS if choice.brief else _PAUSE_SECONDS
    rates = _BRIEF_RATES if choice.brief else _RATES
    strikes = tuple(
        Strike(
            fault.name,
            round(chance.uniform(*pause), 2),
            fault.seconds[0] if choice.brief else round(chance.uniform(*fault.seconds), 2),
            chance.getrandbits(32),
        )
        for fault in faults
    )
    return Plan(
        seed,
        database,
        frozenset().union(*(fault.needs for fault in faults)),
        strikes,
        min([round(chance.uniform(*rates)), *(one.rate for one in faults if one.rate)]),
        chance.randint(*_CONNECTIONS),
        first_seconds=_BRIEF_SECONDS if choice.brief else _FIRST_SECONDS,
        last_seconds=_BRIEF_SECONDS if choice.brief else _LAST_SECONDS,
        sabotage=sabotage,
    )


def _deal(choice: Choice, number: int) -> list[tuple[Database, tuple[Fault, ...]]]:
    chance = random.Random(f"deal {number}")
    groups: dict[tuple[Database, str], list[Fault]] = defaultdict(list)
    for place, fault in enumerate(choice.faults):
        for database in _databases(choice, fault, place):
            apart = sorted(fault.needs & _APART)
            groups[database, f"{apart} {fault.refusals}"].append(fault)
    trials: list[tuple[Database, tuple[Fault, ...]]] = []
    for (database, _), faults in sorted(groups.items()):
        chance.shuffle(faults)
        trials += [(database, part) for part in _parts(faults, choice.together)]
    chance.shuffle(trials)
    return trials


def _databases(choice: Choice, fault: Fault, turn: int) -> Sequence[Database]:
    concerned = [one for one in choice.databases if one in fault.databases]
    if choice.each or not concerned:
        return concerned
    return [concerned[turn % len(concerned)]]


def _parts(faults: Sequence[Fault], size: int) -> Iterable[tuple[Fault, ...]]:
    """Cut into parts of about the same size, none larger than ``size``.

    In each, what takes longest to heal comes first, and at most one comes last of all.
    """
    last = [fault for fault in faults if fault.last]
    others = [fault for fault in faults if not fault.last]
    count = max(-(-len(faults) // size), len(last))
    for place in range(count):
        part = [*others[place::count], *last[place : place + 1]]
        yield tuple(sorted(part, key=lambda each: (each.last, -each.quiescent_seconds)))


def chosen(faults: Mapping[str, Fault], names: Sequence[str]) -> tuple[Fault, ...]:
    """The faults whose names begin so; without names, all but those that want to be asked for."""
    if not names:
        return tuple(fault for fault in faults.values() if not fault.asked)
    return tuple(
        fault for name, fault in faults.items() if any(name.startswith(word) for word in names)
    )
