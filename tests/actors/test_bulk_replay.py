"""Bulk replays in workers: paced, stopped by orders, and done once, whatever is killed."""

import random
from collections import Counter
from dataclasses import asdict
from typing import Any

import pytest

from actors import bulk_replay as replaying
from ingest.events import DestinationKind, Target
from ingest.jobs.states import JobState
from ingest.jobs.workflow import Call
from ingest.queue import publish_jobs
from ingest.store import bulk_replay, dispatch, jobs, ledger, queries
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.actors.test_jobs_killed import kill
from tests.store import making
from tests.waiting import wait_until

HANDLER = """
@on("github", name="work")
def work(event): note("work", event.id + "." + str(event.generation))
@on("other", name="alone")
def alone(event): note("alone", event.id + "." + str(event.generation))
"""
ALONE = asdict(Target("alone", DestinationKind.PYTHON, "process"))


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    made = JobRig(rig)
    made.write(HANDLER)
    return made


def old_events(rigged: JobRig, count: int) -> list[str]:
    """Events of yesterday, which were dispatched to nobody; their ids."""
    at = making.now_ms() - making.DAY_MS
    events = making.stored(rigged.database, count, received_at=at)
    dispatch.dispatch(rigged.database, [(event, ()) for event in events])
    return [event.id for event in events]


def asked(**words: Any) -> Call:
    return Call("bulk_replay", (), words)


def generations(rigged: JobRig) -> Counter[int]:
    found = making.rows(rigged.database, "SELECT generation FROM events")
    return Counter(generation for (generation,) in found)


def done(rigged: JobRig) -> int:
    """How many rows were replayed, as the database has it."""
    rows = making.rows(rigged.database, "SELECT done FROM bulk_replays")
    return int(rows[0][0]) if rows else 0


def test_a_replay_is_done_by_a_worker_and_says_what_it_did(rigged: JobRig) -> None:
    ids = old_events(rigged, 30)
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(asked(source="github"), broker=broker)
        assert rigged.result(job_id) == {"matched": 30, "replayed": 30, "skipped": 0}
    row = rigged.row(job_id)
    assert (row.progress.done, row.progress.total, row.progress.step) == (30, 30, "replaying")
    assert row.progress.message is not None
    assert row.progress.message.startswith("up to 20")
    refs = rigged.rig.dispatch(*ids)
    assert {ref.destination for ref in refs} == {"work"}
    assert len(refs) == 30


def test_a_replay_goes_to_one_handler_only(rigged: JobRig) -> None:
    ids = old_events(rigged, 5)
    rigged.rig.start("actors.scheduler")
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(asked(target=ALONE), broker=broker)
        rigged.wait_for(job_id, JobState.SUCCESS)
        wait_until(lambda: len(rigged.notes("alone")) == 5, timeout=20)
    assert sorted(rigged.notes("alone")) == sorted(f"{id_}.1" for id_ in ids)
    assert rigged.notes("work") == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"source": "githb"}, "source: there is no source 'githb'"),
        ({"rate": 0}, "rate: 0 a second"),
        ({"dataset": "deliveries", "state": "running"}, "state: what is running"),
        ({"target": {"destination": "x"}}, "target: is none"),
    ],
    ids=str,
)
def test_a_replay_that_cannot_be_fails_at_once_with_the_reason(
    rigged: JobRig, words: dict[str, Any], reason: str
) -> None:
    """The console and the command line refuse it before; a program of the user's own may not."""
    old_events(rigged, 1)
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(asked(**words), broker=broker)
        row = rigged.wait_for(job_id, JobState.FAILURE)
    assert reason in (row.error_message or "")
    assert row.attempts == 1
    assert generations(rigged) == {0: 1}


def test_a_slow_pace_is_not_waited_for_in_a_thread(rigged: JobRig) -> None:
    """Four in an hour: between two of them no worker holds the job."""
    old_events(rigged, 3)
    with rigged.rig.worker(threads=1) as broker:
        (job_id,) = rigged.make(asked(rate=0.0011), broker=broker)
        wait_until(lambda: done(rigged) == 1 and rigged.row(job_id).worker_id is None)
        resting = rigged.row(job_id)
        assert (resting.state, resting.attempts, resting.starts) == (JobState.PENDING, 0, 0)
        assert resting.wake_at is not None
        assert resting.wake_at - making.now_ms() > 600_000
        publish_jobs(broker, rigged.due())  # too early: its pace is in the database
        wait_until(lambda: rigged.row(job_id).wake_at != 1 and _rests(rigged, job_id))
        assert done(rigged) == 1
        making.execute(rigged.database, "UPDATE bulk_replays SET next_at = 1")
        publish_jobs(broker, rigged.due())
        wait_until(lambda: done(rigged) == 2)


def _rests(rigged: JobRig, job_id: str) -> bool:
    row = rigged.row(job_id)
    return row.worker_id is None and (row.wake_at or 0) - making.now_ms() > 600_000


def test_a_paced_replay_is_paused_resumed_and_cancelled(rigged: JobRig) -> None:
    old_events(rigged, 200)
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(asked(rate=10), broker=broker)
        wait_until(lambda: done(rigged) >= 10)
        jobs.pause(rigged.database, job_id)
        at_rest = done(rigged)
        wait_until(lambda: rigged.row(job_id).worker_id is None)
        assert rigged.row(job_id).state is JobState.PENDING
        assert done(rigged) == at_rest, "a page was done after the order"
        jobs.resume(rigged.database, job_id)
        publish_jobs(broker, rigged.due())
        wait_until(lambda: done(rigged) > at_rest)
        jobs.cancel(rigged.database, job_id)
        last = done(rigged)
        row = rigged.wait_for(job_id, JobState.REVOKED)
        assert (row.progress.done or 0) <= last < 200
    assert done(rigged) == last
    assert generations(rigged) == {1: last, 0: 200 - last}


def test_a_database_that_is_away_costs_no_try(
    rigged: JobRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.errors import StoreUnavailable  # noqa: PLC0415 - this story's alone

    old_events(rigged, 3)
    advance, failures = bulk_replay.advance, iter([1, 2, 3, 4, 5])

    def away(*arguments: Any) -> Any:
        if next(failures, None):
            raise StoreUnavailable("away")
        return advance(*arguments)

    monkeypatch.setattr(bulk_replay, "advance", away)
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(asked(), broker=broker)
        for _ in range(5):
            wait_until(lambda: (rigged.row(job_id).due_at or 0) > making.now_ms())
            publish_jobs(broker, rigged.due())
        assert rigged.result(job_id)["replayed"] == 3
    assert rigged.row(job_id).attempts == 1


@pytest.mark.parametrize("to", ["routes", "alone", "deliveries"])
def test_a_replay_survives_kills_of_its_worker_and_of_the_scheduler(
    rigged: JobRig, to: str
) -> None:
    """SIGKILL at random moments of one turn: it never comes to a rest between."""
    seed = random.SystemRandom().randrange(10_000)
    moments = random.Random(seed)
    count = 400
    ids = old_events(rigged, count)
    words: dict[str, Any] = {"rate": 120}
    if to == "alone":
        words["target"] = ALONE
    if to == "deliveries":
        _dead_letters(rigged, ids)
        words |= {"dataset": "deliveries", "state": "dead"}
    (job_id,) = rigged.make(asked(**words))
    rigged.rig.start("actors.scheduler")
    for _ in range(2):
        killed = rigged.rig.start("actors.scheduler")
        worker = rigged.rig.dramatiq(threads=2)
        reached = done(rigged) + moments.randrange(1, 120)
        wait_until(lambda reached=reached: done(rigged) >= reached, timeout=60)  # type: ignore[misc]  # the loop's value
        kill(worker)
        kill(killed)
        assert done(rigged) < count, "it ended before it was killed"
    rigged.rig.dramatiq(threads=4)
    rigged.wait_for(job_id, JobState.SUCCESS, timeout=90)

    assert rigged.result(job_id) == {"matched": count, "replayed": count, "skipped": 0}, seed
    assert generations(rigged) == {1: count}, seed
    name = "alone" if to == "alone" else "work"
    wait_until(lambda: _succeeded(rigged, name) == count, timeout=60)
    made = queries.list_deliveries(rigged.database, limit=10_000)
    assert Counter(row.event_id for row in made if row.generation == 1) == dict.fromkeys(ids, 1)
    assert {row.destination for row in made} == {name}, seed
    found = ledger.violations(rigged.database)
    assert {key for key, bad in found.items() if bad} <= {"ended_without_attempt"}, seed


def test_a_replay_that_rests_between_kills_outlives_any_number_of_them(
    rigged: JobRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs for days, and its worker dies of other jobs: each turn that ends well clears it."""
    monkeypatch.setattr(replaying, "TURN_SECONDS", replaying.TURN_SECONDS)  # put back at the end
    turns = "import actors.bulk_replay\nactors.bulk_replay.TURN_SECONDS = 0.5\n"
    rigged.write(HANDLER + turns)  # in workers, and in their children: 20 s a turn are too many
    count = 800
    old_events(rigged, count)
    (job_id,) = rigged.make(asked(rate=20))
    rigged.rig.start("actors.scheduler")
    crashes = 0
    for _ in range(4):
        worker = rigged.rig.dramatiq(threads=2)
        reached = done(rigged) + 5
        wait_until(
            lambda reached=reached: (  # type: ignore[misc]  # the loop's value
                done(rigged) >= reached
                and rigged.row(job_id).crashes == 0
                and rigged.row(job_id).worker_id is not None
            ),
            timeout=60,
        )
        kill(worker)
        making.end_leases(rigged.database)
        crashes += wait_until(lambda: rigged.row(job_id).crashes, timeout=20)
        assert done(rigged) < count, "it ended before it was killed"
    assert crashes == 4
    rigged.rig.dramatiq(threads=4)
    assert rigged.wait_for(job_id, JobState.SUCCESS, timeout=90).crashes == 0
    assert rigged.result(job_id) == {"matched": count, "replayed": count, "skipped": 0}
    assert generations(rigged) == {1: count}


def _succeeded(rigged: JobRig, name: str) -> int:
    query = "SELECT count(*) FROM deliveries WHERE destination = :name AND state = 'succeeded'"
    return int(making.one(rigged.database, query, name=name))


def _dead_letters(rigged: JobRig, event_ids: list[str]) -> None:
    """A delivery to the handler for each event, made and given up yesterday."""
    at = making.now_ms() - making.DAY_MS
    for event_id in event_ids:
        making.execute(
            rigged.database,
            "INSERT INTO deliveries (id, event_id, destination, kind, queue, generation, state, "
            "due_at, created_at, finished_at) VALUES (:id, :event_id, 'work', 'python', 'process', "
            "0, 'dead', :at, :at, :at)",
            id=making.new_id(at),
            event_id=event_id,
            at=at,
        )
    making.execute(rigged.database, "UPDATE events SET state = 'dispatched', matched = 1")
