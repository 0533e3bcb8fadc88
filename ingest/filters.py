"""Which events or deliveries are meant, and from when: read from words, refused in words. Pure.

Exports and replays are asked for in these words, by commands, requests and schedules alike.
"""

import enum
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from ingest.config.durations import parse_duration
from ingest.config.mistakes import did_you_mean
from ingest.errors import HookkeeperError
from ingest.events import DeliveryState, EventState

#: Ids are made on arrival and committed within seconds: what is older than this is complete
#: (design.md, Storage).
SETTLED_MS = 60_000

#: As far as one statement goes: SQLite takes a condition of 1,000 parts, and a type has up to four.
MOST_TYPES = 100

_DURATION = re.compile(r"[0-9.]+ ?[A-Za-z]+", re.ASCII)
#: What no database takes as text: NUL, and half of a pair of surrogates.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Dataset(enum.StrEnum):
    """What there are rows of."""

    EVENTS = "events"
    DELIVERIES = "deliveries"


class Refused(HookkeeperError):
    """An export or a replay cannot be what was asked for; nothing was done.

    ``field`` names what is wrong and ``reason`` says why, for people.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


_STATES: dict[Dataset, type[enum.StrEnum]] = {
    Dataset.EVENTS: EventState,
    Dataset.DELIVERIES: DeliveryState,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """``source``, ``state`` and ``destination`` None, ``types`` empty: any.

    A type covers its subtypes, as in a route: ``issues`` also wants ``issues.opened``. One that
    ends with ``*`` wants everything that begins so.
    """

    source: str | None = None
    types: tuple[str, ...] = ()
    state: str | None = None
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """``since`` <= the time at which an id was made < ``until``, in milliseconds."""

    since: int
    until: int


Word = TypeVar("Word", bound=enum.StrEnum)


def chosen(field: str, words: type[Word], word: str) -> Word:
    """Read a word of which there are few. Raises Refused."""
    if word not in list(words):
        raise Refused(field, _unknown(field, word, list(words)))
    return words(word)


def read_filter(
    dataset: Dataset,
    *,
    source: str | None = None,
    types: Collection[str] = (),
    state: str | None = None,
    destination: str | None = None,
    sources: Collection[str],
) -> Filter:
    """Check the words of a filter; ``sources``: those that there are. Raises Refused.

    Which destinations there were, only the deliveries know: any name may be one.
    """
    if source is not None and source not in sources:
        raise Refused("source", _unknown("source", source, sources))
    if state is not None:
        state = chosen("state", _STATES[dataset], state)
    if destination is not None:
        if dataset is Dataset.EVENTS:
            raise Refused("destination", "events have none: ask for deliveries")
        if _NO_TEXT.search(destination):
            raise Refused("destination", f"{destination!r}: none can have such a name")
    return Filter(source, _types(types), state, destination)


def read_range(since: str | None, until: str | None, now: int) -> Range:
    """Read when a range begins and ends; it ends a minute ago at the latest.

    Each is a duration before now ("7d") or a time (ISO 8601, UTC where it names no zone). No
    ``since``: from the beginning. No ``until``: to what is settled. Raises Refused.
    """
    begin = 0 if since is None else _moment("since", since, now)
    settled = now - SETTLED_MS
    end = settled if until is None else min(settled, _moment("until", until, now))
    if begin >= end:
        raise Refused("since", f"{spelled(begin)} is not before the end, {spelled(end)}")
    return Range(begin, end)


def spelled(at: int) -> str:
    """Write a time for people and for manifests: ISO 8601, UTC."""
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds")


def _types(types: Collection[str]) -> tuple[str, ...]:
    wanted = set(types)
    if len(wanted) > MOST_TYPES:
        reason = f"{len(wanted):,} are too many, {MOST_TYPES} are the most"
        raise Refused("types", f'{reason}; one that ends with "*" covers all that begin so')
    for each in wanted:
        if not each or "*" in each[:-1]:
            raise Refused("types", f'{each!r}: "*" may only stand at the end, as in "issues.*"')
        if _NO_TEXT.search(each):
            raise Refused("types", f"{each!r}: no event can have such a type")
    return tuple(sorted(wanted))


def _moment(field: str, text: str, now: int) -> int:
    if _DURATION.fullmatch(text.strip()):
        try:
            return max(0, now - parse_duration(text))
        except ValueError as error:
            raise Refused(field, str(error)) from None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refused(
            field, f'{text!r} is neither a duration such as "7d" nor a time such as "2026-11-01"'
        ) from None
    return max(0, round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000))


def _unknown(noun: str, word: str, known: Collection[str]) -> str:
    return f"there is no {noun} {word!r}; {did_you_mean(word, map(str, known))}"
