"""Every fault once, on one of the databases: nothing is lost, nothing takes effect twice.

Disks that are full have to be mounted: without root they are left out, and nothing else ever is.
``ops/torture/run --list`` says what is there.
"""

import os

import pytest

from ops.torture import catalogue, plan, trial

pytestmark = pytest.mark.live

ALL = catalogue.read()
FAULTS = catalogue.possible(ALL)
#: Many share a trial: most of a trial's time is its beginning and its end.
CHOICE = plan.Choice(plan.chosen(FAULTS, ()), together=12, each=False, brief=True)


def test_nothing_is_left_out_but_what_has_to_be_mounted() -> None:
    mounted = {name for name, fault in ALL.items() if fault.needs & {"small_disk", "redis_disk"}}
    assert ALL.keys() - FAULTS.keys() == (set() if os.geteuid() == 0 else mounted)
    struck = {
        name for seed in range(plan.trials_a_deal(CHOICE)) for name in plan.make(CHOICE, seed).names
    }
    assert struck == {name for name, fault in FAULTS.items() if not fault.asked}


@pytest.mark.parametrize("seed", range(plan.trials_a_deal(CHOICE)))
def test_a_trial_is_clean(seed: int) -> None:
    planned = plan.make(CHOICE, seed)

    outcome = trial.run(planned, FAULTS, print)

    assert not outcome.verdict.violations, outcome.words
    assert set(outcome.struck) == set(planned.names)
