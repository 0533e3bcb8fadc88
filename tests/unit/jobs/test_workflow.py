"""A workflow becomes jobs and links: who waits for whom, and in which order results come."""

from itertools import count

import pytest

from ingest.jobs.states import JobState, Plan
from ingest.jobs.workflow import Call, Work, chain, chord, group, plan


def planned(work: Work, on_error: Call | None = None) -> Plan:
    numbers = count()
    return plan(work, lambda kind: f"q-{kind}", lambda: str(next(numbers)), on_error=on_error)


def waits(made: Plan) -> dict[str, list[str]]:
    """Each job's kind, with the kinds that it waits for."""
    kinds = {job.id: job.kind for job in made.jobs}
    found: dict[str, list[str]] = {job.kind: [] for job in made.jobs}
    for link in sorted(made.links, key=lambda each: each.position):
        found[kinds[link.after]].append(kinds[link.before])
    return found


A, B, C, D = (Call(kind) for kind in "abcd")


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (A, {"a": []}),
        (chain(A, B, C), {"a": [], "b": ["a"], "c": ["b"]}),
        (group(A, B), {"a": [], "b": []}),
        (group(call for call in (A, B)), {"a": [], "b": []}),
        (chord([A, B], C), {"a": [], "b": [], "c": ["a", "b"]}),
        (chain(A, group(B, C), D), {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}),
        (chord([chain(A, B), C], D), {"a": [], "b": ["a"], "c": [], "d": ["b", "c"]}),
        (chain(group(A, B), group(C, D)), {"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"]}),
    ],
    ids=str,
)
def test_what_waits_for_what(work: Work, expected: dict[str, list[str]]) -> None:
    made = planned(work)
    assert waits(made) == expected
    for job in made.jobs:
        assert job.remaining == len(expected[job.kind])


def test_an_errback_follows_every_member_and_the_first_failure_is_enough() -> None:
    made = planned(chain(A, B), on_error=C)
    errback = made.jobs[-1]
    assert (errback.kind, errback.remaining) == ("c", 1)
    follows = [link.before for link in made.links if link.on is JobState.FAILURE]
    assert follows == [job.id for job in made.jobs[:2]]


def test_a_calls_own_queue_goes_before_its_kinds() -> None:
    made = planned(group(A, Call("b", queue="slow")))
    assert [job.queue for job in made.jobs] == ["q-a", "slow"]


def test_arguments_are_kept_as_json() -> None:
    made = planned(Call("a", (1, None), {"deep": {"x": [True]}}))
    assert made.jobs[0].arguments == '{"args":[1,null],"kwargs":{"deep":{"x":[true]}}}'


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (object(), "kept as JSON"),
        ("x" * 65_536, "65,536 bytes"),
        ("\N{SNOWMAN}" * 30_000, "65,536 bytes"),
    ],
)
def test_arguments_that_cannot_be_kept_are_refused(argument: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        planned(Call("a", (argument,)))


def test_nothing_is_no_workflow() -> None:
    for make in (chain, group):
        with pytest.raises(ValueError, match="at least one"):
            make()
