"""The verdict: set algebra over what was written down outside and what the database holds. Pure.

The senders know what was acknowledged, the sink what was sent, the handlers what took effect; the
database has to agree with all of them. Nothing here knows which fault was struck.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

#: How many examples of each violation are told.
_EXAMPLES = 3
#: As in ingest/lifecycle.py, of which nothing is believed here.
LOSSES_TO_QUARANTINE = 10
DELIVERED = "succeeded"
GIVEN_UP = frozenset({"dead", "quarantined"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One request as its sender saw it. ``key`` names the event, over all its repetitions.

    ``status``: 0 where no whole answer came. ``genuine``: rightly signed. Times in seconds.
    """

    key: str
    status: int
    digest: str
    at: float
    took: float
    event_id: str = ""
    duplicate: bool = False
    genuine: bool = True

    @property
    def acknowledged(self) -> bool:
        """Whether it claims that the event is kept."""
        return self.status in (200, 202)


@dataclass(frozen=True, slots=True)
class Stored:
    """One event as the database has it."""

    event_id: str
    key: str
    digest: str
    state: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as the database has it. ``failures``: attempts that did not succeed.

    ``struck``: starts that ended because we killed the worker.
    """

    event_id: str
    destination: str
    state: str
    failures: int
    crashes: int
    awake: bool = False  # it waits, with a wake time
    struck: int = 0

    @property
    def excused(self) -> bool:
        """Whether it was killed with its worker so often that it has to pass for poison."""
        return self.state == "quarantined" and self.struck >= LOSSES_TO_QUARANTINE


@dataclass(frozen=True, slots=True)
class Send:
    """One request as the sink saw it, however it was answered."""

    key: str
    webhook_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Effect:
    """One committed effect in the handlers' own database, and when (seconds)."""

    key: str
    event_id: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a run has to come to besides the invariants.

    ``destinations``: every event goes to each. ``poison``: keys that may, and must, be given up
    by ``handler``. ``refusals``: whether a sender may be refused at all.
    ``stretch``: how many times as long as on a machine of its own everything may take.
    """

    destinations: frozenset[str] = frozenset({"sink", "keep"})
    external: str = "sink"
    handler: str = "keep"
    poison: frozenset[str] = frozenset()
    refusals: bool = True
    resume_seconds: float | None = None
    work_seconds: float = 30.0
    quiescent_seconds: float = 60.0
    restart_seconds: float = 30.0
    stretch: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was written down. ``healed_at``: when the last fault was over."""

    answers: Sequence[Answer] = ()
    stored: Sequence[Stored] = ()
    deliveries: Sequence[Delivery] = ()
    sends: Sequence[Send] = ()
    effects: Sequence[Effect] = ()
    ledger: Mapping[str, int] = field(default_factory=dict)
    depths: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # by metrics, by SQL
    integrity: str = "ok"
    quiescent_seconds: float | None = None
    healed_at: float = 0.0
    restarts: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant: how often, and some examples."""

    invariant: str
    what: str
    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f": {', '.join(self.examples)}" if self.examples else ""
        return f"{self.invariant} {self.what} ({self.count}){shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The figures of a run and what it broke; clean where it broke nothing."""

    acknowledged: int
    refused: int
    lost: int
    committed: int
    duplicated: int
    sends: int
    crashes: int
    restarts: tuple[float, ...]
    resume: float
    quiescent: float | None
    violations: tuple[Violation, ...]

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
    resume = resumed_after(evidence)
    nothing = [] if acknowledged else ["there was no load"]
    found = [
        *_violations("I1", "nothing was acknowledged at all", nothing),
        *_kept(evidence),
        *_accounted_for(evidence, expected, excused),
        *_effects_once(effects, acknowledged - excused[expected.handler], expected),
        *_sends_bounded(evidence, expected, acknowledged - excused[expected.external]),
        *_genuine_only(evidence),
        *_counted_alike(evidence),
        *_in_time(evidence, expected, resume),
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
        resume=resume,
        quiescent=evidence.quiescent_seconds,
        violations=tuple(found),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share does not exceed; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def resumed_after(evidence: Evidence) -> float:
    """How many seconds after the healing an event was acknowledged again; 0 where none was."""
    accepted = (one.at for one in evidence.answers if one.acknowledged and one.genuine)
    return _first_after(evidence.healed_at, accepted)


def _first_after(moment: float, times: Iterable[float]) -> float:
    after = [at for at in times if at >= moment > 0]
    return min(after) - moment if after else 0.0


def _violations(invariant: str, what: str, found: Iterable[object]) -> list[Violation]:
    every = sorted(str(one) for one in found)
    return [Violation(invariant, what, len(every), tuple(every[:_EXAMPLES]))] if every else []


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
        *_violations("I1", "acknowledged and not stored", _lost(evidence)),
        *_violations("I1", "stored with another body", others),
        *_violations("I1", "stored more than once", {k for k, n in events.items() if n > 1}),
        *_violations("I1", "the database is damaged", damage),
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
    asleep = []
    for one in evidence.deliveries:
        states[keys.get(one.event_id, one.event_id)][one.destination] = one.state
        if one.state == "waiting" and not one.awake:
            asleep.append(one.event_id)
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
        *_violations("I2", "not dispatched", undispatched),
        *_violations("I2", "without a wake time", asleep),
        *_violations("I2", "not delivered", unfinished),
        *_violations("I2", "given up although nothing is wrong with it", wrongly_given_up),
        *_violations("I2", "poison that counts as delivered", survived),
        *_violations("I2", "ledger", [f"{k}={n}" for k, n in evidence.ledger.items() if n]),
    ]


def _effects_once(
    effects: Mapping[str, int], acknowledged: Collection[str], expected: Expected
) -> list[Violation]:
    """I3: each event has one committed effect, and poison has none."""
    missing = set(acknowledged) - set(effects) - expected.poison
    twice = [f"{key} x {count}" for key, count in effects.items() if count > 1]
    return [
        *_violations("I3", "more than one committed effect", twice),
        *_violations("I3", "no committed effect", missing),
        *_violations("I3", "an effect of poison", set(effects) & expected.poison),
    ]


def _sends_bounded(
    evidence: Evidence, expected: Expected, acknowledged: Collection[str]
) -> list[Violation]:
    """I4: sends <= 1 + what failed or crashed, of the same bytes, under one idempotency key."""
    sends = Counter(one.webhook_id for one in evidence.sends)
    ids: dict[str, set[str]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    for one in evidence.sends:
        ids[one.key].add(one.webhook_id)
        digests[one.key].add(one.digest)
    failures = {
        one.event_id: one.failures
        for one in evidence.deliveries
        if one.destination == expected.external
    }
    too_many = [
        f"{id_} x {count}" for id_, count in sends.items() if count > 1 + failures.get(id_, 0)
    ]
    stored = {one.key: one.digest for one in evidence.stored}
    changed = [key for key, seen in digests.items() if key in stored and seen != {stored[key]}]
    return [
        *_violations("I4", "sent more often than it failed", too_many),
        *_violations(
            "I4", "several idempotency keys", [k for k, seen in ids.items() if len(seen) > 1]
        ),
        *_violations("I4", "sent with another body", changed),
        *_violations("I4", "never sent", set(acknowledged) - set(ids)),
        *_violations(
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
        *_violations("I6", "forged and acknowledged", believed),
        *_violations("I6", "forged and stored", (forged - genuine) & stored),
    ]


def _counted_alike(evidence: Evidence) -> list[Violation]:
    """I7: once nothing moves, the metrics say what the database has."""
    differ = [
        f"{name}: {ours} and {sql}" for name, (ours, sql) in evidence.depths.items() if ours != sql
    ]
    return _violations("I7", "metrics and database differ", differ)


def _in_time(evidence: Evidence, expected: Expected, resume: float) -> list[Violation]:
    """I8: everything heals by itself, and soon."""
    quiescent = evidence.quiescent_seconds
    longest = max(evidence.restarts, default=0.0)
    work = _first_after(evidence.healed_at, (one.at for one in evidence.effects))
    refused = [one for one in evidence.answers if one.genuine and not one.acknowledged]

    def over(seconds: float | None, limit: float | None) -> list[str]:
        too_long = seconds is not None and limit is not None and seconds > limit * expected.stretch
        return [f"{seconds:.1f} s"] if too_long else []

    return [
        *_violations("I8", "never quiescent", ["waited in vain"] if quiescent is None else []),
        *_violations("I8", "late to be quiescent", over(quiescent, expected.quiescent_seconds)),
        *_violations("I8", "killed work restarted late", over(longest, expected.restart_seconds)),
        *_violations("I8", "accepts resumed late", over(resume, expected.resume_seconds)),
        *_violations("I8", "work resumed late", over(work, expected.work_seconds)),
        *_violations(
            "I8",
            "refused though it had no reason to",
            [] if expected.refusals else [f"{one.key}: {one.status}" for one in refused],
        ),
    ]
