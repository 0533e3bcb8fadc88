"""I8: a receiver that stays away, wakes late or dies of what is not its own is no clean trial."""

import math
from dataclasses import replace

import pytest

from ops.torture import catalogue
from ops.torture.verdict import judge
from ops.torture.written import Effect, Evidence, Expected, Struck
from tests.torture.examples import answer, broken, good

FAULTS = catalogue.read()


def unheard(key: str, *statuses: int) -> Evidence:
    """One event beside another that is acknowledged."""
    evidence = good("a")
    tries = [answer(key, status=status, event_id="", at=12.0) for status in statuses]
    return replace(evidence, answers=[*evidence.answers, *tries])


def test_an_event_that_is_never_acknowledged_is_found() -> None:
    assert broken(unheard("b", 503, 0)) == {"I8 never acknowledged"}
    assert broken(unheard("a", 503, 0)) == set()


def test_a_forged_event_has_to_be_refused_to_the_last() -> None:
    evidence = good("a")
    forged = answer("forged", genuine=False, status=401, event_id="")

    assert broken(replace(evidence, answers=[*evidence.answers, forged])) == set()


def test_senders_that_still_have_something_to_send_are_found() -> None:
    verdict = judge(replace(good("a"), given_up=["load"]), Expected())

    assert [str(each) for each in verdict.violations] == ["I8 never acknowledged (1): load gave up"]


def test_a_receiver_that_accepts_nothing_after_the_last_fault_is_found() -> None:
    """What was accepted before it says nothing."""
    evidence = replace(good("a"), healed_at=20.0, effects=[Effect("a", "ea", at=21.0)], strikes=[])

    assert broken(evidence) == {"I8 nothing accepted after the last fault"}


def test_work_that_never_resumes_is_found() -> None:
    evidence = replace(good("a"), effects=[Effect("a", "ea", at=4.0)])

    assert broken(evidence) == {"I8 work resumed late"}


def test_each_fault_has_its_own_time_to_resume_in() -> None:
    """The one in the middle is late; what comes after it neither hides nor excuses that."""
    answers = [answer("a", at=10.5), answer("a", at=25.0), answer("a", at=30.1)]
    strikes = [
        Struck("first", 9.0, 10.0, resume_seconds=2.0),
        Struck("middle", 11.0, 20.0, resume_seconds=2.0),
        Struck("unlimited", 26.0, 28.0),
        Struck("last", 29.0, 30.0, resume_seconds=2.0),
    ]
    evidence = replace(good("a"), answers=answers, strikes=strikes)
    verdict = judge(evidence, Expected())

    assert [str(each) for each in verdict.violations] == [
        "I8 accepts resumed late (1): middle 5.0 s"
    ]
    assert verdict.resumes == {
        "first": 0.5,
        "middle": 5.0,
        "unlimited": pytest.approx(2.1),
        "last": pytest.approx(0.1),
    }


def test_never_is_later_than_any_limit() -> None:
    strikes = [Struck("first", 11.0, 12.0, resume_seconds=2.0)]
    verdict = judge(replace(good("a"), strikes=strikes), Expected(stretch=100.0))

    assert "I8 accepts resumed late (1): first never" in map(str, verdict.violations)
    assert verdict.resumes == {"first": math.inf}


@pytest.mark.parametrize(("died_at", "complaints"), [(11.5, 1), (14.0, 1), (15.5, 0)])
def test_a_receiver_that_dies_of_what_befalls_the_database_is_found(
    died_at: float, complaints: int
) -> None:
    """Until the next fault begins: that may kill it, and need not count as struck for it."""
    evidence = replace(
        good("a"),
        answers=[answer("a"), answer("a", at=17.0)],
        strikes=[Struck("database", 11.0, 13.0, spares_receiver=True)],
        begins=[11.0, 15.0],
        receiver_deaths=[3.0, died_at],
    )

    found = broken(evidence)

    assert found == set(["I8 the receiver ended though it was spared"] * complaints)


def test_what_strikes_the_database_alone_spares_the_receiver() -> None:
    spared = {name for name, fault in FAULTS.items() if fault.spares_receiver}

    assert {"postgres_killed", "postgres_exhausted", "sqlite_locked"} <= spared
    assert not {
        name for name in spared if not name.startswith(("postgres", "sqlite", "part", "data"))
    }


@pytest.mark.parametrize(
    "name", ["postgres_restarted", "postgres_killed", "postgres_backends_terminated"]
)
def test_accepts_resume_within_two_seconds_of_the_return_of_the_database(name: str) -> None:
    assert FAULTS[name].resume_seconds == 2.0
