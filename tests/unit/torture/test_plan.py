"""The same seed is the same trial, and many seeds in a row strike everything equally often."""

from collections import Counter

import pytest

from ops.torture import catalogue, plan
from ops.torture.catalogue import Fault
from ops.torture.plan import Choice


def fault(name: str, **changes: object) -> Fault:
    given: dict[str, object] = {"kind": "redis.kill", "of": "F2", "what": name, **changes}
    return Fault(name=name, **given)  # type: ignore[arg-type]  # each test names real fields


TEN = tuple(fault(f"fault-{number}", seconds=(1.0, 5.0)) for number in range(10))


def seeds(choice: Choice, deals: int) -> range:
    return range(deals * plan.trials_a_deal(choice))


def test_a_seed_says_everything() -> None:
    choice = Choice(TEN)

    assert [plan.make(choice, seed) for seed in range(30)] == [
        plan.make(choice, seed) for seed in range(30)
    ]
    assert len({plan.make(choice, seed).strikes for seed in range(30)}) == 30


def test_each_deal_strikes_each_fault_once_on_each_of_its_databases() -> None:
    only = fault("only", databases=("sqlite",))
    choice = Choice((*TEN, only), together=3)
    struck: Counter[tuple[str, str]] = Counter()
    for seed in seeds(choice, deals=5):
        made = plan.make(choice, seed)
        struck.update((name, made.database) for name in made.names)

    assert set(struck.values()) == {5}
    assert len(struck) == 2 * 10 + 1
    assert ("only", "postgresql") not in struck


def test_a_subset_strikes_each_fault_once_on_one_database() -> None:
    choice = Choice(TEN, each=False)
    names = [name for seed in seeds(choice, deals=1) for name in plan.make(choice, seed).names]

    assert sorted(names) == sorted(each.name for each in TEN)


def test_no_more_than_so_many_share_a_trial() -> None:
    choice = Choice(TEN, together=4)

    assert {len(plan.make(choice, seed).names) for seed in seeds(choice, 3)} == {3, 4}


def test_faults_that_cannot_share_a_stage_or_an_expectation_share_no_trial() -> None:
    mixed = (
        *TEN[:3],
        fault("powerless", needs=frozenset({"power", "shim"})),
        fault("strict", refusals=False),
    )
    for seed in seeds(Choice(mixed), 3):
        made = plan.make(Choice(mixed), seed)
        if set(made.names) & {"powerless", "strict"}:
            assert len(made.names) == 1


def test_a_trial_has_all_that_its_faults_need() -> None:
    mixed = (fault("one", needs=frozenset({"shim"})), fault("two", needs=frozenset({"proxies"})))

    assert plan.make(Choice(mixed, ("sqlite",)), 0).needs == {"shim", "proxies"}


def test_what_ends_a_stage_comes_last_and_what_takes_long_to_heal_comes_first() -> None:
    mixed = (
        *TEN[:3],
        fault("end", last=True),
        fault("other-end", last=True),
        fault("slow", quiescent_seconds=100.0),
    )
    choice = Choice(mixed, ("sqlite",), together=6)
    for seed in seeds(choice, 5):
        names = plan.make(choice, seed).names
        assert not {"end", "other-end"} & set(names[:-1])
        assert "slow" not in names[1:]
    assert plan.trials_a_deal(choice) == 2


def test_a_brief_fault_lasts_no_longer_than_it_must() -> None:
    choice = Choice(TEN, each=False, brief=True)

    assert {each.seconds for each in plan.make(choice, 0).strikes} == {1.0}


def test_a_fault_lasts_as_long_as_its_row_allows() -> None:
    for seed in range(20):
        assert all(1.0 <= each.seconds <= 5.0 for each in plan.make(Choice(TEN), seed).strikes)


def test_faults_are_chosen_by_the_beginning_of_their_names() -> None:
    faults = {name: fault(name) for name in ("redis_killed", "redis_flushed", "disk_full")}

    assert [one.name for one in plan.chosen(faults, ["redis"])] == ["redis_killed", "redis_flushed"]
    assert len(plan.chosen(faults, [])) == 3


def test_a_fault_that_takes_long_has_to_be_named_and_may_ask_for_less_load() -> None:
    long = fault("long", asked=True, rate=8.0)
    faults = {"short": fault("short"), "long": long}

    assert [one.name for one in plan.chosen(faults, [])] == ["short"]
    assert plan.chosen(faults, ["long"]) == (long,)
    assert plan.make(Choice((long,)), 0).rate == 8.0


@pytest.mark.parametrize("database", catalogue.DATABASES)
def test_one_database_can_be_asked_for(database: catalogue.Database) -> None:
    choice = Choice(TEN, (database,))

    assert {plan.make(choice, seed).database for seed in seeds(choice, 2)} == {database}
