"""What a bulk replay is, from words, and the pace at which it goes. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ingest.config.mistakes import did_you_mean
from ingest.events import TERMINAL, DeliveryState, Target
from ingest.filters import Dataset, Filter, Range, Refused, chosen, read_filter, read_range

#: Rows of a page: one transaction, short enough that no receiver waits long for its turn (measured:
#: 20 to 50 ms on either database, and so 10,000 rows a second).
PAGE = 500
#: What the waits of the last second have cost may be made up for, and no more.
_CATCH_UP_MS = 1_000
_SLOWEST, _FASTEST = 0.001, 1_000_000


@dataclass(frozen=True, slots=True)
class Replay:
    """Rows that are to be replayed, at most ``rate`` of them a second.

    ``target`` None: events are routed again, deliveries go to where each went before. Else all of
    them are delivered there, whatever the routes say.
    """

    dataset: Dataset
    filter: Filter
    range: Range
    target: Target | None = None
    rate: float | None = None


def read_replay(
    *,
    dataset: str = Dataset.EVENTS,
    source: str | None = None,
    types: Sequence[str] = (),
    state: str | None = None,
    destination: str | None = None,
    since: str | None = None,
    until: str | None = None,
    target: Target | None = None,
    rate: float | None = None,
    sources: Collection[str],
    now: int,
) -> Replay:
    """Read what is to be replayed; times count from ``now`` (ms). Raises Refused."""
    wanted = chosen("dataset", Dataset, dataset)
    filter_ = read_filter(
        wanted, source=source, types=types, state=state, destination=destination, sources=sources
    )
    if wanted is Dataset.DELIVERIES and state is not None and DeliveryState(state) not in TERMINAL:
        raise Refused("state", f"what is {state} has not ended: it needs no replay")
    if rate is not None and not _SLOWEST <= rate <= _FASTEST:
        raise Refused("rate", f"{rate:g} a second is none: from {_SLOWEST:g} to {_FASTEST:,}")
    return Replay(wanted, filter_, read_range(since, until, now), target, rate)


def read_target(
    to: str | None, destination: str | None, targets: Mapping[str, Target]
) -> Target | None:
    """Return where all is to be delivered; None: where the routes, or the deliveries, say.

    ``targets``: those that there are now. Raises Refused, also for deliveries to a ``destination``
    that is no longer there, which would only fail again.
    """
    if to is None:
        if destination is not None and destination not in targets:
            nearest = did_you_mean(destination, targets)
            gone = f"there is no destination {destination!r} (any more); {nearest}"
            raise Refused("destination", f"{gone} Or say where to deliver instead")
        return None
    if to not in targets:
        raise Refused("to", f"there is no destination {to!r}; {did_you_mean(to, targets)}")
    return targets[to]


def portion(rate: float | None) -> int:
    """Return how many rows are replayed together: what a second has room for, a page at most."""
    return PAGE if rate is None else max(1, min(PAGE, math.floor(rate)))


def following(due_at: int, now: int, rows: int, rate: float | None) -> int:
    """Return when the next rows may go, after so many that were due at ``due_at``. All in ms."""
    if rate is None:
        return now
    return max(due_at, now - _CATCH_UP_MS) + math.ceil(rows * 1_000 / rate)
