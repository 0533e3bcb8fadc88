"""The bad days: what each makes of an event. Pure, and by chance only of the generator given."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from ingest.signing import Credential
from ingest.simulator.forging import REASONS, forgeries, strangers_credential
from ingest.simulator.planned import Day, Expected, Planned
from ingest.simulator.repeating import expected_of
from ingest.simulator.retrying import deadline, waits
from ingest.simulator.senders import Sender
from ingest.verify.families.json_web_token import detached
from ingest.verify.provider import Provider
from ingest.verify.request import Reason

_BURST: Final = 20
_ROW: Final = 5
_GAP_SECONDS: Final = 0.05
_LIFETIME_SECONDS: Final = 60  # of a token that we make


class Stage:
    """What all scenes of a plan share.

    ``start`` in ms; ``within``: the seconds in which an event's further sendings come;
    ``event_ids`` makes a fresh id of an event's number.
    """

    def __init__(
        self, rng: random.Random, start: int, within: float, event_ids: Callable[[int], str]
    ) -> None:
        self.rng = rng
        self.within = within
        self._start = start
        self._event_ids = event_ids
        self._numbers = itertools.count()
        self._expected: dict[tuple[str, str], Expected] = {}
        self._strangers: dict[str, Credential] = {}

    def event(self, day: Day, sender: Sender, at: float) -> Planned:
        """Plan one ordinary sending of a new event."""
        number = next(self._numbers)
        provider = sender.source.provider
        name = self.rng.choice(sender.events)
        made_at = self._start + int(at * 1_000)
        return Planned(
            event=number,
            at=at,
            day=day,
            sender=sender,
            composed=sender.compose(name, self._event_ids(number), made_at),
            credential=sender.credentials[0],
            expected=self._expected_of(sender, name),
            deadline=deadline(provider),
            waits=waits(provider, self.within),
        )

    def _expected_of(self, sender: Sender, name: str) -> Expected:
        which = (sender.source.name, name)
        if which not in self._expected:
            self._expected[which] = expected_of(sender, name, self._start)
        return self._expected[which]

    def stranger(self, sender: Sender) -> Credential:
        """Return a credential of somebody else; a key pair of theirs is made once."""
        name = sender.source.name
        if name not in self._strangers:
            self._strangers[name] = strangers_credential(sender.source.provider)
        return self._strangers[name]


def _ordinary(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    return [stage.event(Day.ORDINARY, sender, at)]


def _duplicates(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    first = stage.event(Day.DUPLICATES, sender, at)
    later = (stage.rng.uniform(0, stage.within) for _ in range(stage.rng.randint(1, 3)))
    return [first, *(replace(first, at=at + delay) for delay in later)]


def _reorder(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    made = [stage.event(Day.REORDER, sender, at + _GAP_SECONDS * place) for place in range(_ROW)]
    return [replace(last, at=first.at) for first, last in zip(made, reversed(made), strict=True)]


def _burst(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    return [stage.event(Day.BURST, sender, at) for _ in range(_BURST)]


def _stale(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    reasons = _heard(sender, {Reason.STALE_TIMESTAMP.value})
    return [
        replace(
            stage.event(Day.STALE, sender, at),
            age=_stale_age(sender.source.provider),
            expected=Expected.NEVER,
            reasons=reasons,
            waits=(),
        )
    ]


def _stale_age(provider: Provider) -> int:
    seconds = max(provider.tolerance_seconds, _LIFETIME_SECONDS, provider.max_age_seconds or 0)
    return (seconds + provider.leeway_seconds + 60) * 1_000


def _rotation(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    live = [
        replace(stage.event(Day.ROTATION, sender, at), credential=credential)
        for credential in sender.credentials
    ]
    reasons = _heard(sender, {Reason.EXPIRED_SECRET.value})
    return live + [
        replace(
            stage.event(Day.ROTATION, sender, at),
            credential=credential,
            expected=Expected.NEVER,
            reasons=reasons,
            waits=(),
        )
        for credential in sender.ended
    ]


def _retries(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    event = stage.event(Day.RETRIES, sender, at)
    return [replace(event, lost=stage.rng.randint(1, min(3, len(event.waits))))]


def _forged(stage: Stage, sender: Sender, at: float) -> list[Planned]:
    provider = sender.source.provider
    forged = replace(
        stage.event(Day.FORGED, sender, at),
        expected=Expected.NEVER,
        reasons=_heard(sender, REASONS),
        waits=(),
    )
    forge = stage.rng.choice([None, *forgeries(provider, stage.rng)])
    if forge is None:
        return [replace(forged, credential=stage.stranger(sender))]
    return [replace(forged, forge=forge)]


def _heard(sender: Sender, reasons: AbstractSet[str]) -> frozenset[str]:
    """The codes of a refusal as its sender hears them: only the status, where it wants no words."""
    provider = sender.source.provider
    if provider.failure_body is None:
        return frozenset(reasons)
    return frozenset({str(provider.failure_status)})


def can_play(day: Day, sender: Sender) -> bool:
    """Whether a source can have such a day."""
    provider = sender.source.provider
    match day:
        case Day.STALE:
            token = provider.family == "jwt" and not detached(provider)
            return provider.timestamp is not None or token
        case Day.ROTATION:
            return len(sender.credentials) + len(sender.ended) > 1
        case Day.FORGED:
            return provider.family != "none"
        case Day.RETRIES:
            return bool(waits(provider, 1.0))
        case _:
            return True


#: What a day makes of a sender's next event or events.
SCENES: Final[Mapping[Day, Callable[[Stage, Sender, float], Sequence[Planned]]]] = {
    Day.ORDINARY: _ordinary,
    Day.DUPLICATES: _duplicates,
    Day.REORDER: _reorder,
    Day.BURST: _burst,
    Day.STALE: _stale,
    Day.ROTATION: _rotation,
    Day.RETRIES: _retries,
    Day.FORGED: _forged,
}
#: What a day needs, for people.
NEEDS: Final[Mapping[Day, str]] = {
    Day.STALE: "a source whose provider signs a time",
    Day.ROTATION: "a source with two secrets",
    Day.RETRIES: "a source whose provider sends again by itself",
    Day.FORGED: "a source that proves something",
}
