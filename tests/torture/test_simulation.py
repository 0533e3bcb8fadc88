"""The real store under a simulated broker, clock and death; and the proof that the judge can fail.

``ops/torture/simulation.md`` keeps the result of a run of a million steps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import BooleanClauseList, Connection, Text, bindparam, select

from ingest import lifecycle
from ingest.errors import HookkeeperError
from ingest.events import Arrival, Claimed
from ingest.jobs.states import JobState
from ingest.lifecycle import CRASHES_TO_QUARANTINE, LOSSES_TO_QUARANTINE
from ingest.store import accept, claims, job_claims, job_ends, wake, workers
from ingest.store.accept import First
from ingest.store.job_ends import Followed
from ingest.store.job_schema import jobs
from ingest.store.schema import AnyRow
from ops.torture.simulation.watch import Violated
from ops.torture.simulation.worker import Worker
from ops.torture.simulation.world import World

Harm = Callable[[pytest.MonkeyPatch], None]

#: Of each of four seeds: 20,000 are about 40 s of one core.
STEPS = 5_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, seed=1)
    yield made
    made.close()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_nothing_is_lost_doubled_or_stuck_whatever_dies(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    world.run(STEPS)
    world.close()
    assert world.steps >= STEPS
    assert world.happened >= {
        *("event dispatched", "event unmatched", "event replayed"),
        *("delivery succeeded", "delivery dead", "delivery quarantined"),
        *("job success", "job failure", "job revoked", "job quarantined", "job cancelled"),
        *("job upstream_failed", "job not_needed"),
        *("a crash", "a killed worker", "an effect twice"),
    }


def test_a_seed_and_a_number_are_the_same_episode_again(tmp_path: Path) -> None:
    first = World(tmp_path / "first", seed=7)
    again = World(tmp_path / "again", seed=7)
    again.run_episode(1)  # what came before must not matter
    for world in (first, again):
        world.run_episode(3)
        world.close()
    assert first.trace.digest() == again.trace.digest()


# -- without a protection -------------------------------------------------------------------


def without_fencing_of_deliveries(patch: pytest.MonkeyPatch) -> None:
    """Whoever records an outcome is believed, whoever holds the delivery now, if anybody does."""
    anybody = claims._SETTLE._clone()
    anybody._where_criteria = (*anybody._where_criteria[:2], bindparam("worker", type_=Text) != "")
    patch.setattr(claims, "_SETTLE", anybody)


def without_fencing_of_jobs(patch: pytest.MonkeyPatch) -> None:
    def held_by_anybody(tx: Connection, which: BooleanClauseList) -> list[AnyRow]:
        ids, _its_worker = which.clauses
        return list(tx.execute(select(jobs).where(ids).order_by(jobs.c.id)).all())

    patch.setattr(job_claims, "_held", held_by_anybody)


def without_the_dedupe_key(patch: pytest.MonkeyPatch) -> None:
    def win_all(_tx: Connection, arrivals: Sequence[Arrival]) -> dict[bytes | None, First]:
        return {one.dedupe_key: First(one.event_id, one.body_sha256) for one in arrivals}

    patch.setattr(accept, "_win_keys", win_all)


def without_poison_isolation(patch: pytest.MonkeyPatch) -> None:
    """What has crashed before runs in the worker's own process again."""
    claim = claims.claim

    def forgetful(*asked: Any) -> list[Claimed]:
        return [replace(one, crashes=0) for one in claim(*asked)]

    patch.setattr(claims, "claim", forgetful)


def without_an_end_of_poison(patch: pytest.MonkeyPatch) -> None:
    """What ends its own child for the third time is tried again."""
    patch.setattr(lifecycle, "CRASHES_TO_QUARANTINE", LOSSES_TO_QUARANTINE)


def without_freeing(patch: pytest.MonkeyPatch) -> None:
    """Nobody takes back what a dead worker held."""
    patch.setattr(workers, "free_expired", lambda *_: [])


def without_once(patch: pytest.MonkeyPatch) -> None:
    """A job's end counts down what waits for it twice."""
    once = job_ends.follow

    def twice(tx: Connection, ended: Mapping[str, JobState]) -> Followed:
        once(tx, ended)
        return once(tx, ended)

    patch.setattr(job_claims, "follow", twice)


def without_wake_ups(name: str) -> Harm:
    return lambda patch: patch.setattr(wake, name, lambda *_: [])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without_fencing_of_deliveries, ""),
        (without_fencing_of_jobs, ""),
        (without_the_dedupe_key, "was sent several times and stored 2 times"),
        (without_wake_ups("due_events"), "circles"),
        (without_wake_ups("due_deliveries"), "circles"),
        (without_wake_ups("due_jobs"), "circles"),
        (without_poison_isolation, "workers"),
        (without_an_end_of_poison, "with 3 crashes is"),
        (without_freeing, "not at an end"),
        (without_once, "before its predecessors"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_judge_says_no_without_a_protection(
    world: World, monkeypatch: pytest.MonkeyPatch, harm: Harm, said: str
) -> None:
    harm(monkeypatch)
    with pytest.raises((Violated, HookkeeperError)) as verdict:
        world.run(4_000)
    assert said in str(verdict.value)
    assert verdict.value.__notes__ == [
        f"the same again: python -m ops.torture.simulation --seed 1 --episode {world.episode}"
    ]


# -- where workers die all the time ---------------------------------------------------------


@pytest.fixture
def deadly_world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Every third step of a worker is its last, when all else is healed, too."""
    advance = World._advance

    def advance_and_die(world: World, worker: Worker) -> None:
        advance(world, worker)
        if worker in world.workers and world.chance.happens(0.3):
            world.workers.remove(worker)

    monkeypatch.setattr(World, "_advance", advance_and_die)
    return world


def with_bound(module: ModuleType, losses: int) -> Harm:
    return lambda patch: patch.setattr(module, "LOSSES_TO_QUARANTINE", losses)


def test_whose_workers_die_is_poison_at_the_tenth_time_only(deadly_world: World) -> None:
    deadly_world.run(1_000)
    assert deadly_world.happened >= {
        *("delivery succeeded", "delivery quarantined", "job success", "job quarantined"),
    }
    assert max(deadly_world.watch.crashes.values()) == LOSSES_TO_QUARANTINE


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (with_bound(workers, CRASHES_TO_QUARANTINE), "a delivery with 3 crashes is quarantined"),
        (with_bound(lifecycle, CRASHES_TO_QUARANTINE), "a job with 3 crashes is failure"),
        (with_bound(workers, 99), "a delivery with 10 crashes is waiting"),
        (with_bound(lifecycle, 99), "a job with 10 crashes is pending"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_judge_says_no_where_lost_workers_count_for_more_or_less(
    deadly_world: World, monkeypatch: pytest.MonkeyPatch, harm: Harm, said: str
) -> None:
    harm(monkeypatch)
    with pytest.raises(Violated, match=said):
        deadly_world.run(4_000)
