"""The verdict can be a bad one: with any one protection switched off, a trial is not clean."""

import pytest

from ops.torture import catalogue, plan, trial
from ops.torture.sabotage import PROTECTIONS, REVEALED_BY, VARIABLE

pytestmark = pytest.mark.live

FAULTS = catalogue.read()
#: What each of them must break for the trial to have shown it: one of these.
BROKEN = {
    "fencing": {"sent more often than it failed"},
    "wake-ups": {"never quiescent"},
    "fsync": {"acknowledged and not stored"},
    "dedupe": {"stored more than once"},
    # A poison takes its neighbours along until they are given up, or for as long as is waited.
    "isolation": {"given up although nothing is wrong with it", "not delivered"},
}
#: A strike may find nothing at work that it could break.
TRIALS = 4


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_without_it_a_trial_is_not_clean(protection: str) -> None:
    """Where a fault strikes is chance: it may find nothing at work that the protection saves."""
    choice = plan.Choice((FAULTS[REVEALED_BY[protection]],), ("sqlite",))
    broken: set[str] = set()

    for seed in range(TRIALS):
        outcome = trial.run(plan.make(choice, seed, protection), FAULTS, print)
        broken |= {each.what for each in outcome.verdict.violations}
        if BROKEN[protection] & broken:
            break

    assert BROKEN[protection] & broken


def test_the_product_cannot_be_sabotaged_by_a_setting() -> None:

    texts = [path.read_text() for path in catalogue.FILE.parents[2].glob("ingest/**/*.py")]
    texts += [path.read_text() for path in catalogue.FILE.parents[2].glob("actors/**/*.py")]

    assert texts
    assert not [text for text in texts if VARIABLE in text]
