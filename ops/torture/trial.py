"""One trial: load, strikes one after another, healing, and the verdict."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from ops.torture import crowding, evidence
from ops.torture.catalogue import Fault
from ops.torture.faults import failpoints
from ops.torture.plan import Plan
from ops.torture.stage import Stage, setting
from ops.torture.strikes import strike
from ops.torture.verdict import Evidence, Expected, Verdict, judge
from ops.torture.waiting import NeverCame, rest, wait_until

_SABOTAGED_SECONDS = 20.0  # enough to heal in, where it heals
#: The scheduler counts every five seconds, or fifty times as long as a count took it.
_GAUGES_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a trial. ``struck``: faults that were really struck, each with its time."""

    plan: Plan
    verdict: Verdict
    struck: tuple[str, ...]
    seconds: float
    stretch: float  # see Expected
    words: str = ""  # of the processes, where something was violated


def run(plan: Plan, faults: Mapping[str, Fault], tell: Callable[[str], None]) -> Outcome:
    """Run a trial. Raises whatever keeps it from being one: that is a failure as well."""
    began = time.monotonic()
    with setting(plan) as stage:
        expected = _expected(plan, faults, stage.stretch)
        try:
            struck, healed_at, crowded = _under_load(stage, faults, tell)
            expected = replace(expected, stretch=max(expected.stretch, crowding.stretch(crowded)))
            found = _healed(stage, healed_at, expected)
        except Exception as error:
            raise Broken(plan, error, stage.pipeline.last_words()) from error
        keys = evidence.poisoned(stage, found.answers)
        verdict = judge(found, replace(expected, poison=keys))
        words = "" if verdict.clean else stage.pipeline.last_words()
    return Outcome(
        plan=plan,
        verdict=verdict,
        struck=struck,
        seconds=time.monotonic() - began,
        stretch=expected.stretch,
        words=words,
    )


class Broken(Exception):
    """The trial itself could not be carried through; ``words`` are the processes' last."""

    def __init__(self, plan: Plan, cause: Exception, words: str) -> None:
        names = ", ".join(plan.names)
        super().__init__(f"trial {plan.seed} ({names}) could not be finished: {cause!r}")
        self.words = words


def _expected(plan: Plan, faults: Mapping[str, Fault], stretch: float) -> Expected:
    rows = [faults[name] for name in plan.names]
    resume = [row.resume_seconds for row in rows if row.resume_seconds is not None]
    return Expected(
        refusals=any(row.refusals for row in rows),
        resume_seconds=max(resume) if len(resume) == len(rows) else None,
        quiescent_seconds=max((row.quiescent_seconds for row in rows), default=45.0),
        stretch=stretch,
    )


def _under_load(
    stage: Stage, faults: Mapping[str, Fault], tell: Callable[[str], None]
) -> tuple[tuple[str, ...], float, list[float]]:
    plan, struck, crowded = stage.plan, [], []
    stage.send("load", rate=plan.rate, connections=plan.connections)
    rest(plan.first_seconds)
    healed_at = time.time()
    for each in plan.strikes:
        rest(each.pause)
        stage.random.seed(each.seed)
        tell(f"{each.fault}, {each.seconds:g} s")
        try:
            with strike(stage, faults[each.fault]):
                rest(each.seconds)
            struck.append(each.fault)
        except failpoints.NotStruck:
            tell(f"{each.fault} did not strike")
        healed_at = time.time()
        crowded.append(crowding.sample())
    rest(plan.last_seconds)
    return tuple(struck), healed_at, crowded


def _healed(stage: Stage, healed_at: float, expected: Expected) -> Evidence:
    """Let everything be acknowledged and come to rest, then gather what was written down."""
    limit = expected.quiescent_seconds * expected.stretch * 1.5
    limit = min(limit, _SABOTAGED_SECONDS) if stage.plan.sabotage else limit
    for sending in stage.sendings:
        sending.stop()
    for sending in stage.sendings:
        sending.finish(limit)
    loaded_at = time.time()
    quiescent: float | None = None
    with suppress(NeverCame):
        wait_until(lambda: evidence.is_quiescent(stage), limit, "nothing to wait or run", 0.2)
        quiescent = time.time() - loaded_at
    patience = _GAUGES_SECONDS * stage.stretch if quiescent is not None else 0.0
    return evidence.gather(
        stage,
        quiescent_seconds=quiescent,
        healed_at=healed_at,
        metrics=_metrics(stage, patience),
    )


def _metrics(stage: Stage, limit: float) -> str:
    """The metrics once they agree with the database, or the last ones before the limit (s)."""
    found = ""

    def agree() -> bool:
        nonlocal found
        try:
            found = stage.pipeline.metrics()
        except OSError:
            return False
        return evidence.counts_agree(stage, found)

    with suppress(NeverCame):
        wait_until(agree, limit, "metrics", 0.5)
    return found
