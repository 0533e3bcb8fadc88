"""What a receiver and its writer tell each other: frames of plain values on a stream socket.

A frame is its length (4 bytes, big-endian) and one value in ``marshal``'s format: the fastest the
standard library has (1 us for an event of 2 KB; orjson holds no bytes, pickle can run code). It
differs between versions of Python and trusts its writer, which is sound here: both ends are the
same interpreter, started from each other, and nobody else has the socket.

The first frame from the receiver holds its ``Orders``; every later one is a list of arrivals (and
lessons), each with its deadline, or one rejected request. The writer answers every arrival, in
order, with an outcome, and says how many rejected requests it is done with. Beside them it tells
how the database is: whenever that changes, and at least once a second while idle; and all learned
secrets, whenever those change. And its pulse says that it lives (``pulse.py``).
"""

import marshal
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.learning import LearnedSecret, Lesson
from ingest.rejection import RejectedRequest

_LENGTH = struct.Struct("!I")

Outcome = Accepted | RowRejected | StoreUnavailable


class Orders(NamedTuple):
    """What a writer is told at its start. ``metrics_folder`` None: it counts for itself."""

    database_url: str
    broker_url: str
    log_level: str
    log_format: Literal["json", "console"]
    metrics_folder: str | None


class Parcel(NamedTuple):
    """An arrival or lesson on its way, and when nobody waits for it any more (monotonic s)."""

    deadline: float
    arrival: Arrival | Lesson


class Condition(NamedTuple):
    """How the database is. ``trouble`` "" is well; ``refused``: it must not be used at all."""

    trouble: str
    refused: bool = False


class Settled(NamedTuple):
    """With how many more rejected requests the writer is done, kept or not."""

    requests: int


class Learned(NamedTuple):
    """All learned secrets that are in force, and the sources that may learn another now."""

    secrets: Sequence[LearnedSecret] = ()
    open_sources: Sequence[str] = ()


Said = Condition | Settled | Learned | list[Outcome] | None


class Frames:
    """Takes bytes as they come and gives out whole values."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Add bytes; yield each value that they complete."""
        self._bytes += data
        start = 0
        while len(self._bytes) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes, start)
            end = start + _LENGTH.size + length
            if len(self._bytes) < end:
                break
            with memoryview(self._bytes) as view:
                value = marshal.loads(view[start + _LENGTH.size : end])  # noqa: S302 - see above
            start = end
            yield value
        del self._bytes[:start]


def orders_frame(orders: Orders) -> bytes:
    """Spell a writer's orders."""
    return _frame(tuple(orders))


def parcels_frame(parcels: Sequence[Parcel]) -> bytes:
    """Spell arrivals on their way to the writer."""
    return _frame([(deadline, *_flat(arrival)) for deadline, arrival in parcels])


def read_parcels(value: list[Any]) -> list[Parcel]:
    """Read what ``parcels_frame`` spelled."""
    return [Parcel(deadline, _carried(fields)) for deadline, *fields in value]


def rejected_frame(request: RejectedRequest) -> bytes:
    """Spell a rejected request on its way to the writer."""
    return _frame(tuple(request))


def condition_frame(condition: Condition) -> bytes:
    """Spell how the database is."""
    return _frame(tuple(condition))


def outcomes_frame(outcomes: Sequence[Outcome]) -> bytes:
    """Spell what became of arrivals, in their order."""
    return _frame([_spelled(outcome) for outcome in outcomes])


def settled_frame(settled: Settled) -> bytes:
    """Spell that rejected requests are done with."""
    return _frame(settled.requests)


def learned_frame(learned: Learned) -> bytes:
    """Spell the learned secrets."""
    secrets = [tuple(secret) for secret in learned.secrets]
    return _frame({"secrets": secrets, "open": list(learned.open_sources)})


def read_answer(value: Any) -> Said:
    """Read what the writer spelled; None is a pulse."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return Condition(*value)
    if isinstance(value, int):
        return Settled(value)
    if isinstance(value, dict):
        return Learned([LearnedSecret(*fields) for fields in value["secrets"]], value["open"])
    return [_read(kind, *fields) for kind, *fields in value]


def _flat(arrival: Arrival | Lesson) -> tuple[Any, ...]:
    """An arrival begins with its id, a lesson with None."""
    if isinstance(arrival, Arrival):
        return arrival
    return (None, arrival.waiting, *arrival.secret)


def _carried(fields: Sequence[Any]) -> Arrival | Lesson:
    if fields[0] is not None:
        return Arrival(*fields)
    return Lesson(LearnedSecret(*fields[2:]), fields[1])


def _spelled(outcome: Outcome) -> tuple[Any, ...]:
    if isinstance(outcome, Accepted):
        return ("accepted", outcome.event_id, outcome.duplicate, outcome.conflicting)
    kind = "rejected" if isinstance(outcome, RowRejected) else "unavailable"
    return (kind, str(outcome))


def _read(kind: str, *fields: Any) -> Outcome:
    if kind == "accepted":
        return Accepted(*fields)
    return RowRejected(*fields) if kind == "rejected" else StoreUnavailable(*fields)


def _frame(value: Any) -> bytes:
    data = marshal.dumps(value)
    return _LENGTH.pack(len(data)) + data


PULSE = _frame(None)
