"""I8: whether everything healed by itself, and soon. Pure."""

import math
from collections.abc import Iterable

from ops.torture.violations import Violation, violations
from ops.torture.written import Evidence, Expected


def judge_healing(evidence: Evidence, expected: Expected) -> list[Violation]:
    """Compare the times that things took with those that they may take."""
    quiescent = evidence.quiescent_seconds
    longest = max(evidence.restarts, default=0.0)
    work = _first_after(evidence.healed_at, (one.at for one in evidence.effects))

    def over(seconds: float | None, limit: float) -> list[str]:
        too_long = seconds is not None and seconds > limit * expected.stretch
        return [_words(seconds)] if seconds is not None and too_long else []

    return [
        *violations("I8", "never quiescent", ["waited in vain"] if quiescent is None else []),
        *violations("I8", "late to be quiescent", over(quiescent, expected.quiescent_seconds)),
        *violations("I8", "killed work restarted late", over(longest, expected.restart_seconds)),
        *_accepting_again(evidence, expected),
        *violations("I8", "work resumed late", over(work, expected.work_seconds)),
        *_answered(evidence, expected),
        *violations("I8", "the receiver ended though it was spared", _unspared(evidence)),
    ]


def resumed_after(evidence: Evidence) -> dict[str, float]:
    """How many seconds after each fault an event was acknowledged again; inf where none was."""
    accepted = sorted(one.at for one in evidence.answers if one.acknowledged and one.genuine)
    return {each.fault: _first_after(each.healed_at, accepted) for each in evidence.strikes}


def _accepting_again(evidence: Evidence, expected: Expected) -> list[Violation]:
    accepted = [one.at for one in evidence.answers if one.acknowledged and one.genuine]
    never = _first_after(evidence.healed_at, accepted) == math.inf
    limits = {each.fault: each.resume_seconds for each in evidence.strikes}
    late = [
        f"{fault} {_words(seconds)}"
        for fault, seconds in resumed_after(evidence).items()
        if (limit := limits[fault]) is not None and seconds > limit * expected.stretch
    ]
    return [
        *violations("I8", "nothing accepted after the last fault", ["none"] if never else []),
        *violations("I8", "accepts resumed late", late),
    ]


def _answered(evidence: Evidence, expected: Expected) -> list[Violation]:
    """A provider that goes on sending is acknowledged in the end, and refused only for a reason."""
    genuine = [one for one in evidence.answers if one.genuine]
    unheard = {one.key for one in genuine} - {one.key for one in genuine if one.acknowledged}
    waiting = [f"{name} gave up" for name in evidence.given_up]
    refused = [f"{one.key}: {one.status}" for one in genuine if not one.acknowledged]
    return [
        *violations("I8", "never acknowledged", [*waiting, *unheard]),
        *violations(
            "I8", "refused though it had no reason to", [] if expected.refusals else refused
        ),
    ]


def _unspared(evidence: Evidence) -> Iterable[str]:
    """The faults under which, or after which, the receiver ended and should not have."""
    for each in evidence.strikes:
        until = min((at for at in evidence.begins if at > each.began_at), default=math.inf)
        died = any(each.began_at <= at < until for at in evidence.receiver_deaths)
        if each.spares_receiver and died:
            yield each.fault


def _first_after(moment: float, times: Iterable[float]) -> float:
    """Seconds from a moment to the first of the times; inf where none came, 0 for no moment."""
    return min((at for at in times if at >= moment), default=math.inf) - moment if moment else 0.0


def _words(seconds: float) -> str:
    return "never" if seconds == math.inf else f"{seconds:.1f} s"
