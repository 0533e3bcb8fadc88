"""One trial: load, strikes one after another, healing, and the verdict."""

import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ops.torture import crowding, evidence
from ops.torture.catalogue import Fault
from ops.torture.plan import Plan, Strike
from ops.torture.scraping import Scraper
from ops.torture.stage import NotStruck, Stage, setting
from ops.torture.strikes import strike
from ops.torture.verdict import Verdict, judge, unfinished
from ops.torture.waiting import NeverCame, rest, wait_until
from ops.torture.written import Expected, Struck

_SABOTAGED_SECONDS = 20.0  # enough to heal in, where it heals
#: The scheduler counts every five seconds, or fifty times as long as a count took it.
_GAUGES_SECONDS = 90.0
#: So many times its limit is waited for what has one: how late it came is worth knowing.
_PATIENCE = 1.5

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a trial. ``struck``: faults that were really struck, each with its time."""

    plan: Plan
    verdict: Verdict
    struck: tuple[str, ...]
    seconds: float
    stretch: float  # see Expected
    words: str = ""  # of the processes, where something was violated


@dataclass(slots=True)
class _Course:
    """What is known of a trial so far; what is left of one that breaks."""

    strikes: list[Struck] = field(default_factory=list)
    begins: list[float] = field(default_factory=list)  # of those that struck nothing, too
    healed_at: float = 0.0  # when the last fault was over, struck or not
    crowded: list[float] = field(default_factory=list)
    stretch: float = 1.0
    words: str = ""


def run(plan: Plan, faults: Mapping[str, Fault], tell: Tell) -> Outcome:
    """Run a trial. Whatever keeps it from being one, building and taking down included, is told
    by its verdict: that is a failure as well."""
    began, course = time.monotonic(), _Course()
    try:
        verdict = _carried_through(plan, faults, tell, course)
    except Exception as error:  # noqa: BLE001 - nothing that breaks a trial may hide it, or end the run
        verdict = unfinished(error)
        course.words += traceback.format_exc()
    return Outcome(
        plan=plan,
        verdict=verdict,
        struck=tuple(each.fault for each in course.strikes),
        seconds=time.monotonic() - began,
        stretch=course.stretch,
        words=course.words,
    )


def _carried_through(
    plan: Plan, faults: Mapping[str, Fault], tell: Tell, course: _Course
) -> Verdict:
    with setting(plan) as stage:
        course.stretch = stage.stretch
        try:
            verdict = _judged(stage, faults, tell, course)
        except Exception:
            course.words = stage.pipeline.last_words()
            raise
        if not verdict.clean:
            course.words = stage.pipeline.last_words()
    return verdict


def _judged(stage: Stage, faults: Mapping[str, Fault], tell: Tell, course: _Course) -> Verdict:
    with Scraper(stage.pipeline.metrics) as scraper:
        _under_load(stage, faults, tell, course)
        course.stretch = max(course.stretch, crowding.stretch(course.crowded))
        rows = [faults[name] for name in stage.plan.names]
        expected = Expected(
            refusals=any(row.refusals for row in rows),
            quiescent_seconds=max((row.quiescent_seconds for row in rows), default=45.0),
            stretch=course.stretch,
        )
        quiescent = _healed(stage, expected)
        patience = _GAUGES_SECONDS * stage.stretch if quiescent is not None else 0.0
        metrics = _metrics(stage, patience)
    scraper.see(metrics)
    found = evidence.gather(stage, metrics)
    found = replace(
        found,
        quiescent_seconds=quiescent,
        healed_at=course.healed_at,
        strikes=course.strikes,
        begins=course.begins,
        went_back=scraper.went_back,
    )
    return judge(found, replace(expected, poison=evidence.poisoned(stage, found.answers)))


def _under_load(stage: Stage, faults: Mapping[str, Fault], tell: Tell, course: _Course) -> None:
    plan = stage.plan
    stage.send("load", rate=plan.rate, connections=plan.connections)
    rest(plan.first_seconds)
    course.healed_at = time.time()
    for each in plan.strikes:
        rest(each.pause)
        tell(f"{each.fault}, {each.seconds:g} s")
        course.begins.append(time.time())
        try:
            course.strikes.append(_strike(stage, faults[each.fault], each, course.begins[-1]))
        except NotStruck as error:
            tell(f"{each.fault} did not strike: {error}")
        course.healed_at = time.time()
        course.crowded.append(crowding.sample())
    rest(plan.last_seconds)


def _strike(stage: Stage, fault: Fault, planned: Strike, began_at: float) -> Struck:
    """Strike and heal; where accepts have to resume in time, wait until they do, or are late.

    The next fault would else be blamed, or excuse this one. Raises NotStruck.
    """
    stage.random.seed(planned.seed)
    with strike(stage, fault):
        rest(planned.seconds)
    healed_at = time.time()
    if fault.resume_seconds is not None:
        limit = fault.resume_seconds * stage.stretch * _PATIENCE
        with suppress(NeverCame):
            wait_until(lambda: evidence.accepted_since(stage, healed_at), limit, "an accept", 0.1)
    return Struck(fault.name, began_at, healed_at, fault.resume_seconds, fault.spares_receiver)


def _healed(stage: Stage, expected: Expected) -> float | None:
    """Let everything be acknowledged and come to rest; return how long that took, if it did."""
    limit = expected.quiescent_seconds * expected.stretch * _PATIENCE
    limit = min(limit, _SABOTAGED_SECONDS) if stage.plan.sabotage else limit
    for sending in stage.sendings:
        sending.stop()
    for sending in stage.sendings:
        sending.finish(limit)
    loaded_at = time.time()
    with suppress(NeverCame):
        wait_until(lambda: evidence.is_quiescent(stage), limit, "nothing to wait or run", 0.2)
        return time.time() - loaded_at
    return None


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
