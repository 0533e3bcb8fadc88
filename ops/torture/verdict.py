"""The verdict: set algebra over what was written down outside and what the database holds. Pure.

The senders know what was acknowledged, the sink what was sent, the handlers what took effect; the
database has to agree with all of them. Nothing here knows which fault was struck.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ops.torture import misdeeds
from ops.torture.counting import judge_counts
from ops.torture.healing import judge_healing, resumed_after
from ops.torture.violations import Violation, violations
from ops.torture.written import Evidence, Expected

DELIVERED = "succeeded"
GIVEN_UP = frozenset({"dead", "quarantined"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The figures of a run and what it broke; clean where it broke nothing."""

    violations: tuple[Violation, ...]
    acknowledged: int = 0
    refused: int = 0
    lost: int = 0
    committed: int = 0
    duplicated: int = 0
    sends: int = 0
    crashes: int = 0
    restarts: tuple[float, ...] = ()
    resumes: Mapping[str, float] = field(default_factory=dict)  # after each fault, inf: never
    quiescent: float | None = None

    @property
    def clean(self) -> bool:
        """Whether everything held."""
        return not self.violations

    def __str__(self) -> str:
        quiescent = "never quiescent"
        if self.quiescent is not None:
            quiescent = f"quiescent after {self.quiescent:.1f} s"
        restart = percentile(self.restarts, 0.99)
        return (
            f"{'clean' if self.clean else 'VIOLATED'}: acknowledged {self.acknowledged:,}, "
            f"lost {self.lost:,}, committed effects {self.committed:,}, "
            f"duplicated {self.duplicated:,}, external sends {self.sends:,} "
            f"(crashes {self.crashes:,}), restart p99 {restart:.1f} s, {quiescent}, "
            f"violations {sum(each.count for each in self.violations):,}"
        )


def judge(evidence: Evidence, expected: Expected) -> Verdict:
    """Compare all logs with each other."""
    acknowledged = {one.key for one in evidence.answers if one.acknowledged and one.genuine}
    excused = _excused(evidence)
    effects = Counter(one.key for one in evidence.effects)
    nothing = [] if acknowledged else ["there was no load"]
    found = [
        *violations("I1", "nothing was acknowledged at all", nothing),
        *_kept(evidence),
        *_accounted_for(evidence, expected, excused),
        *_effects_once(effects, acknowledged - excused[expected.handler], expected),
        *_sends_bounded(evidence, expected, acknowledged - excused[expected.external]),
        *_genuine_only(evidence),
        *judge_counts(evidence),
        *judge_healing(evidence, expected),
    ]
    lost = _lost(evidence)
    return Verdict(
        acknowledged=len(acknowledged),
        refused=sum(not one.acknowledged and one.genuine for one in evidence.answers),
        lost=len(lost),
        committed=len(effects),
        duplicated=sum(count - 1 for count in effects.values()),
        sends=len(evidence.sends),
        crashes=sum(one.crashes for one in evidence.deliveries),
        restarts=tuple(evidence.restarts),
        resumes=resumed_after(evidence),
        quiescent=evidence.quiescent_seconds,
        violations=tuple(found),
    )


def unfinished(error: Exception) -> Verdict:
    """Judge a trial that could not be carried through: whatever it was to show, it did not."""
    said = Violation("", f"could not be finished: {error!r}", 1)
    return Verdict(violations=(said,))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share does not exceed; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _lost(evidence: Evidence) -> set[str]:
    stored = {one.event_id for one in evidence.stored}
    answers = (one for one in evidence.answers if one.acknowledged and one.genuine)
    return {one.key for one in answers if one.event_id not in stored}


def _kept(evidence: Evidence) -> list[Violation]:
    """I1: what was acknowledged is stored, byte for byte; a key has one event."""
    stored = {one.event_id: one for one in evidence.stored}
    answers = [one for one in evidence.answers if one.acknowledged and one.event_id in stored]
    others = {one.key for one in answers if stored[one.event_id].digest != one.digest}
    events = Counter(one.key for one in evidence.stored)
    damage = [] if evidence.integrity == "ok" else [evidence.integrity]
    return [
        *violations("I1", "acknowledged and not stored", _lost(evidence)),
        *violations("I1", "stored with another body", others),
        *violations("I1", "stored more than once", {k for k, n in events.items() if n > 1}),
        *violations("I1", "the database is damaged", damage),
    ]


def _excused(evidence: Evidence) -> dict[str, set[str]]:
    """The keys whose delivery was killed too often by us, by destination."""
    keys = {one.event_id: one.key for one in evidence.stored}
    found: dict[str, set[str]] = defaultdict(set)
    for one in evidence.deliveries:
        if one.excused and one.event_id in keys:
            found[one.destination].add(keys[one.event_id])
    return found


def _accounted_for(
    evidence: Evidence, expected: Expected, excused: Mapping[str, Collection[str]]
) -> list[Violation]:
    """I2: every stored event reached each destination, or was given up where that is right."""
    keys = {one.event_id: one.key for one in evidence.stored}
    states: dict[str, dict[str, str]] = defaultdict(dict)
    for one in evidence.deliveries:
        states[keys.get(one.event_id, one.event_id)][one.destination] = one.state
    asleep = [
        one.event_id for one in evidence.deliveries if one.state == "waiting" and not one.awake
    ]
    undispatched = [one.event_id for one in evidence.stored if one.state != "dispatched"]
    unfinished, wrongly_given_up, survived = [], [], []
    for key in {one.key for one in evidence.stored}:
        for destination in sorted(expected.destinations):
            state = states[key].get(destination, "missing")
            poisoned = destination == expected.handler and key in expected.poison
            if state in GIVEN_UP and key in excused.get(destination, ()):
                continue
            if state in GIVEN_UP and not poisoned:
                wrongly_given_up.append(f"{key} {destination} {state}")
            elif state == DELIVERED and poisoned:
                survived.append(f"{key} {destination}")
            elif state not in GIVEN_UP and state != DELIVERED:
                unfinished.append(f"{key} {destination} {state}")
    return [
        *violations("I2", "not dispatched", undispatched),
        *violations("I2", "without a wake time", asleep),
        *violations("I2", "not delivered", unfinished),
        *violations("I2", "given up although nothing is wrong with it", wrongly_given_up),
        *violations("I2", "poison that counts as delivered", survived),
        *violations("I2", "poison given up otherwise than promised", _botched(evidence, expected)),
        *violations("I2", "ledger", [f"{k}={n}" for k, n in evidence.ledger.items() if n]),
    ]


def _botched(evidence: Evidence, expected: Expected) -> list[str]:
    """The poison whose state, or number of starts, is not the one that its misdeed comes to."""
    keys = {one.event_id: one.key for one in evidence.stored}
    given_up = [
        (keys.get(one.event_id, ""), one)
        for one in evidence.deliveries
        if one.destination == expected.handler and one.state in GIVEN_UP and not one.excused
    ]
    return [
        f"{key} {mistake}"
        for key, one in given_up
        if key in expected.poison
        for mistake in misdeeds.mistakes(one, expected.poison[key])
    ]


def _effects_once(
    effects: Mapping[str, int], acknowledged: Collection[str], expected: Expected
) -> list[Violation]:
    """I3: each event has one committed effect, and poison has none."""
    missing = set(acknowledged) - set(effects) - expected.poison.keys()
    twice = [f"{key} x {count}" for key, count in effects.items() if count > 1]
    return [
        *violations("I3", "more than one committed effect", twice),
        *violations("I3", "no committed effect", missing),
        *violations("I3", "an effect of poison", set(effects) & expected.poison.keys()),
    ]


def _sends_bounded(
    evidence: Evidence, expected: Expected, acknowledged: Collection[str]
) -> list[Violation]:
    """I4: sends <= 1 + what failed or crashed, of the same bytes, under one idempotency key.

    An attempt that failed before a byte left explains no other send.
    """
    sends = Counter(one.webhook_id for one in evidence.sends)
    ids: dict[str, set[str]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    for one in evidence.sends:
        ids[one.key].add(one.webhook_id)
        digests[one.key].add(one.digest)
    excess = {
        one.event_id: one.failures - one.unsent
        for one in evidence.deliveries
        if one.destination == expected.external
    }
    too_many = [
        f"{id_} x {count}" for id_, count in sends.items() if count > 1 + excess.get(id_, 0)
    ]
    stored = {one.key: one.digest for one in evidence.stored}
    changed = [key for key, seen in digests.items() if key in stored and seen != {stored[key]}]
    return [
        *violations("I4", "sent more often than it failed", too_many),
        *violations(
            "I4", "several idempotency keys", [k for k, seen in ids.items() if len(seen) > 1]
        ),
        *violations("I4", "sent with another body", changed),
        *violations("I4", "never sent", set(acknowledged) - set(ids)),
        *violations(
            "I4", "sent and not stored", set(sends) - {one.event_id for one in evidence.stored}
        ),
    ]


def _genuine_only(evidence: Evidence) -> list[Violation]:
    """I6: nothing is stored, or acknowledged, that was not rightly signed."""
    forged = {one.key for one in evidence.answers if not one.genuine}
    genuine = {one.key for one in evidence.answers if one.genuine}
    stored = {one.key for one in evidence.stored}
    believed = {one.key for one in evidence.answers if one.acknowledged and not one.genuine}
    return [
        *violations("I6", "forged and acknowledged", believed),
        *violations("I6", "forged and stored", (forged - genuine) & stored),
    ]
