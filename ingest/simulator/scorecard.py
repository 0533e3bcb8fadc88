"""Whether the answers were the right ones: kept event by event, told at the end. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ingest.simulator.planned import Day, Expected, Planned
from ingest.verify.request import Reason

_MOST_SHOWN: Final = 20
_REFUSALS: Final = frozenset({429, 500, 502, 503, 504})
#: The receiver's words for what is the sender's mistake, whatever the status beside them.
_MISTAKES: Final = frozenset(reason.value for reason in Reason if reason != Reason.KEY_UNAVAILABLE)


class Said(enum.StrEnum):
    """What an answer means to its sender."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    ACKNOWLEDGED = "acknowledged"  # a 2xx in the provider's own words, which do not say which
    REJECTED = "rejected"
    REFUSED = "refused"  # for now: 429, 503, or a fault
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``code`` is the receiver's word for a rejection, or the HTTP status."""

    said: Said
    code: str = ""

    @property
    def is_acknowledgement(self) -> bool:
        """Whether the sender need not send again."""
        return self.said in (Said.ACCEPTED, Said.DUPLICATE, Said.ACKNOWLEDGED)


UNANSWERED: Final = Answer(Said.UNANSWERED)
_SUCCESSES: Final = {each.value: each for each in (Said.ACCEPTED, Said.DUPLICATE)}


def read_answer(status: int, body: bytes) -> Answer:
    """Take the meaning of an HTTP answer of the receiver's."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    told = told if isinstance(told, dict) else {}
    if 200 <= status < 300:  # noqa: PLR2004 -- success
        return Answer(_SUCCESSES.get(str(told.get("status")), Said.ACKNOWLEDGED))
    code = _code(told)
    # HighLevel's failure status is 429: the word tells that from a receiver that is busy.
    if status in _REFUSALS and code not in _MISTAKES:
        return Answer(Said.REFUSED, str(status))
    return Answer(Said.REJECTED, code or str(status))


def _code(told: Mapping[str, Any]) -> str:
    error = told.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


@dataclass
class _Event:
    """What was said of one event so far; of its plan only what is needed at the end."""

    day: Day
    source: str
    expected: Expected
    reasons: frozenset[str]
    said: Counter[Said] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The end of a run. ``wrong`` says of the first events that went wrong what it was."""

    events: int
    sent: int
    accepted: int
    duplicate: int
    acknowledged: int
    rejected: Mapping[str, int]
    refused: Mapping[str, int]
    unanswered: int
    by_day: Mapping[str, int]
    wrong_events: int
    wrong: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        """Whether every event ended as it has to."""
        return not self.wrong_events


class Scorecard:
    """Takes every answer down and judges them at the end."""

    def __init__(self) -> None:
        self._events: dict[int, _Event] = {}
        self._said: Counter[Said] = Counter()
        self._rejected: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[Said, int]:
        """How often each thing was said so far."""
        return self._said

    def note(self, planned: Planned, answer: Answer) -> None:
        """Take down the answer to one sending."""
        event = self._events.get(planned.event)
        if event is None:
            source = planned.sender.source.name
            event = _Event(planned.day, source, planned.expected, planned.reasons)
            self._events[planned.event] = event
        event.said[answer.said] += 1
        self._said[answer.said] += 1
        if answer.said is Said.REJECTED:
            event.codes.add(answer.code)
            self._rejected[answer.code] += 1
        elif answer.said is Said.REFUSED:
            self._refused[answer.code] += 1

    def verdict(self) -> Verdict:
        """Judge what was taken down."""
        wrong = [
            f"event {number} ({event.day}, {event.source}): {mistake}"
            for number, event in sorted(self._events.items())
            for mistake in [_mistake(event)]
            if mistake
        ]
        days = Counter(event.day for event in self._events.values())
        return Verdict(
            events=len(self._events),
            sent=self._said.total(),
            accepted=self._said[Said.ACCEPTED],
            duplicate=self._said[Said.DUPLICATE],
            acknowledged=self._said[Said.ACKNOWLEDGED],
            rejected=dict(sorted(self._rejected.items())),
            refused=dict(sorted(self._refused.items())),
            unanswered=self._said[Said.UNANSWERED],
            by_day={day.value: days[day] for day in Day if days[day]},
            wrong_events=len(wrong),
            wrong=tuple(wrong[:_MOST_SHOWN]),
        )


def _mistake(event: _Event) -> str:
    """What was wrong with the answers to an event; "" where nothing was."""
    said = event.said
    taken = said[Said.ACCEPTED] + said[Said.DUPLICATE] + said[Said.ACKNOWLEDGED]
    if event.expected is Expected.NEVER:
        if taken:
            return "it was accepted, and nobody who should have sent it did"
        strange = event.codes - event.reasons
        return f"it was rejected as {', '.join(sorted(strange))}" if strange else ""
    if said[Said.REJECTED]:
        return f"it was rejected as {', '.join(sorted(event.codes))}, and is genuine"
    if not taken:
        return "it was never accepted, however often it was sent"
    return _mistake_of_repetitions(event.expected, said)


def _mistake_of_repetitions(expected: Expected, said: Counter[Said]) -> str:
    accepted, duplicate = said[Said.ACCEPTED], said[Said.DUPLICATE]
    if expected is Expected.EACH:
        return "it passed for a duplicate, and nothing tells that it is one" if duplicate else ""
    if accepted > 1:
        return f"it was accepted {accepted} times"
    # An answer that never came may have been the acceptance.
    if not accepted and not said[Said.ACKNOWLEDGED] and not said[Said.UNANSWERED]:
        return "it passed for a duplicate the first time it was sent"
    return ""
