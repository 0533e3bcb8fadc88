"""Poison is given up as is promised for what it does, and neither sooner nor later."""

from dataclasses import replace

import pytest

from ops.torture import catalogue
from ops.torture.misdeeds import MISDEEDS
from ops.torture.written import Evidence, Expected
from tests.torture.examples import broken, delivery, good

OTHERWISE = {"I2 poison given up otherwise than promised"}
QUARANTINED = {"state": "quarantined", "failures": 3, "crashes": 3, "own_crashes": 2}
GIVEN_UP: dict[str, dict[str, object]] = {
    "raise": {"state": "dead", "failures": 3},
    "permanent": {"state": "dead", "failures": 1},
    **dict.fromkeys(("hang", "memory", "exit", "segfault", "gil"), QUARANTINED),
}


def ended(**changes: object) -> Evidence:
    """A poison that its handler was given up with, beside an event that was handled."""
    evidence = good("a", "b")
    deliveries = [one for one in evidence.deliveries if one.event_id == "ea"]
    deliveries += [delivery("b", "sink"), delivery("b", "keep", **changes)]
    return replace(evidence, deliveries=deliveries, effects=evidence.effects[:1])


def found(misdeed: str, **changes: object) -> set[str]:
    return broken(ended(**GIVEN_UP[misdeed] | changes), Expected(poison={"b": misdeed}))


def test_every_misdeed_that_is_struck_has_an_end() -> None:
    struck = {
        fault.parameters["do"] for fault in catalogue.read().values() if fault.kind == "poison"
    }

    assert struck == MISDEEDS.keys() == GIVEN_UP.keys()


@pytest.mark.parametrize("misdeed", GIVEN_UP)
def test_each_misdeed_comes_to_its_own_end(misdeed: str) -> None:
    assert found(misdeed) == set()


@pytest.mark.parametrize("misdeed", GIVEN_UP)
def test_another_state_is_found(misdeed: str) -> None:
    other = "dead" if GIVEN_UP[misdeed]["state"] == "quarantined" else "quarantined"

    assert found(misdeed, state=other) == OTHERWISE


@pytest.mark.parametrize(("misdeed", "tries"), [("raise", 2), ("raise", 4), ("permanent", 2)])
def test_too_few_or_too_many_tries_are_found(misdeed: str, tries: int) -> None:
    assert found(misdeed, failures=tries) == OTHERWISE


def test_starts_that_were_lost_with_a_worker_are_no_tries() -> None:
    assert found("raise", failures=5, crashes=2) == set()


def test_what_crashed_twice_may_be_innocent() -> None:
    assert found("exit", failures=2, crashes=2) == OTHERWISE


@pytest.mark.parametrize(("crashes", "alone"), [(4, 4), (11, 0)])
def test_what_crashes_again_and_again_is_found(crashes: int, alone: int) -> None:
    assert found("exit", failures=crashes, crashes=crashes, own_crashes=alone) == OTHERWISE


def test_what_we_killed_ten_times_may_end_otherwise() -> None:
    lost = {"state": "quarantined", "failures": 10, "crashes": 10, "struck": 10}

    assert found("raise", **lost) == set()
