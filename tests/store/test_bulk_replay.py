"""Bulk replays: exactly the rows that were counted, each once, whoever believes to hold the job."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from ingest.events import DeliveryState, DestinationKind, EventState, Target
from ingest.jobs.states import ClaimedJob
from ingest.jobs.workflow import Call
from ingest.replaying import Replay, read_replay
from ingest.store import (
    Database,
    bulk_replay,
    dispatch,
    job_claims,
    jobs,
    ledger,
    queries,
    retention,
    wake,
)
from ingest.store.bulk_replay import Standing
from tests.store import job_making, making

ELSEWHERE = Target("elsewhere", DestinationKind.HTTP, "deliver")
HOUR_MS = 3_600_000
OLD = making.now_ms() - making.DAY_MS


@dataclass
class Asked:
    """A replay and its job, which a worker has started."""

    database: Database
    replay: Replay
    worker: str
    claim: ClaimedJob
    total: int

    def advance(self) -> Standing | None:
        return bulk_replay.advance(self.database, self.claim.id, self.claim.starts, self.replay)

    def run(self) -> Standing:
        """Go on to the end."""
        for _ in range(1_000):
            standing = self.advance()
            assert standing is not None
            if standing.finished:
                return standing
        raise AssertionError("it never ends")


def read(**words: Any) -> Replay:
    sources = {"github", "stripe", "hookkeeper"}
    return read_replay(**words, sources=sources, now=making.now_ms())


def ask(database: Database, **words: Any) -> Asked:
    replay = read(**words)
    total = bulk_replay.count(database, replay)
    plan = job_making.planned(Call("bulk_replay"))
    made = bulk_replay.create(database, plan, total, trace_id=job_making.TRACE_ID)
    worker = making.a_worker(database)
    (claim,) = job_making.held(database, worker, made.ids[0])
    return Asked(database, replay, worker, claim, total)


def old_events(database: Database, count: int, *destinations: str, **changes: Any) -> list[str]:
    """Events of a day ago, dispatched a day ago; their ids."""
    targets = tuple(making.target(name) for name in destinations)
    events = making.stored(database, count, received_at=changes.pop("received_at", OLD), **changes)
    dispatch.dispatch(database, [(event, targets) for event in events])
    for event in events:
        then = {"then": OLD, "id": event.id}
        making.execute(database, "UPDATE events SET dispatched_at=:then WHERE id=:id", **then)
    return [event.id for event in events]


def ended(database: Database, state: str = "dead", at: int = OLD) -> list[str]:
    """End whatever waits, as if it had been made and ended a day ago; the ids, renewed."""
    waiting = making.rows(database, "SELECT id FROM deliveries WHERE state = 'waiting'")
    new = []
    for (id_,) in waiting:
        new.append(making.new_id(at))
        values = {"old": id_, "new": new[-1], "state": state, "at": at}
        making.execute(
            database,
            "UPDATE deliveries SET id = :new, state = :state, wake_at = NULL, finished_at = :at "
            "WHERE id = :old",
            **values,
        )
    return new


def broken(database: Database) -> list[str]:
    """What the ledger complains of, but for deliveries that the test ended by itself."""
    found = ledger.violations(database)
    return [name for name, count in found.items() if count and name != "ended_without_attempt"]


def generations(database: Database) -> list[int]:
    return [row.generation for row in queries.list_events(database, limit=10_000)]


def test_events_are_routed_again_under_a_generation_of_their_own(database: Database) -> None:
    ids = old_events(database, 3, "a", "b")
    asked = ask(database)
    assert asked.total == 3
    assert asked.run() == Standing(3, 3, max(ids), 0, finished=True)
    assert sorted(wake.due_events(database, 10)) == sorted(ids)
    again = dispatch.undispatched(database, ids)
    assert {event.generation for event in again} == {1}
    refs = dispatch.dispatch(database, [(event, (making.target("a"),)) for event in again])
    assert len(refs) == 3
    assert broken(database) == []


def test_events_are_delivered_to_one_destination_whatever_the_routes_say(
    database: Database,
) -> None:
    ids = old_events(database, 3, "a")
    assert ask(database, target=ELSEWHERE).run().done == 3
    due = wake.due_deliveries(database, 10)
    new = [queries.get_delivery(database, ref.id) for ref in due if ref.destination == "elsewhere"]
    assert sorted(row.event_id for row in new) == sorted(ids)
    assert {(row.generation, row.queue, row.state) for row in new} == {
        (1, "deliver", DeliveryState.WAITING)
    }
    states = {row.state for row in queries.list_events(database)}
    assert states == {EventState.DISPATCHED}
    assert ask(database, target=ELSEWHERE).run().done == 3, "the same again is another replay"
    assert broken(database) == []


def test_an_event_that_waits_for_its_dispatch_shares_no_generation(database: Database) -> None:
    (event,) = making.stored(database, received_at=OLD)
    ask(database, target=ELSEWHERE).run()
    (waiting,) = dispatch.undispatched(database, [event.id])
    assert len(dispatch.dispatch(database, [(waiting, (ELSEWHERE,))])) == 1
    found = [row.generation for row in queries.list_deliveries(database, event_id=event.id)]
    assert sorted(found) == [1, 2]
    assert broken(database) == []


def test_a_digest_waits_for_the_end_of_its_window(database: Database) -> None:
    old_events(database, 2)
    mail = Target("oncall", DestinationKind.EMAIL, "notify", HOUR_MS)
    ask(database, target=mail).run()
    rows = queries.list_deliveries(database, destination="oncall")
    assert {row.due_at % HOUR_MS for row in rows} == {0}
    assert wake.due_deliveries(database, 10) == []


def test_dead_letters_are_delivered_again_to_where_they_went(database: Database) -> None:
    old_events(database, 2, "a", "b")
    dead = ended(database)
    asked = ask(database, dataset="deliveries", state="dead", destination="a")
    assert asked.total == 2
    assert asked.run().done == 2
    rows = {row.id: row for row in queries.list_deliveries(database, limit=100)}
    replayed = [row for id_ in dead if (row := rows[id_]).destination == "a"]
    for old in replayed:
        assert old.replayed_as is not None
        new = rows[old.replayed_as]
        assert (new.event_id, new.destination, new.kind) == (old.event_id, "a", old.kind)
        assert (new.state, new.generation, new.attempts) == (DeliveryState.WAITING, 1, 0)
    assert {row.destination for row in queries.list_dead(database)} == {"b"}
    assert broken(database) == []


def test_two_dead_letters_of_an_event_may_go_to_the_same_place(database: Database) -> None:
    old_events(database, 2, "a", "b")
    ended(database)
    assert ask(database, dataset="deliveries", target=ELSEWHERE).run().done == 4
    rows = queries.list_deliveries(database, destination="elsewhere")
    by_event: dict[str, set[int]] = {}
    for row in rows:
        by_event.setdefault(row.event_id, set()).add(row.generation)
    assert list(by_event.values()) == [{1, 2}, {1, 2}]
    assert set(generations(database)) == {2}
    assert queries.list_dead(database) == []


def test_a_delivery_is_replayed_once(database: Database) -> None:
    old_events(database, 2, "a")
    ended(database)
    asked, other = (ask(database, dataset="deliveries") for _ in range(2))
    assert asked.run().done == 2
    assert other.run() == Standing(2, 0, "", 0, finished=True)
    assert ask(database, dataset="deliveries").total == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, 8),
        ({"source": "github"}, 6),
        ({"types": ["issues"]}, 3),
        ({"types": ["iss*", "invoice.paid"]}, 5),
        ({"state": "unmatched"}, 2),
        ({"since": "30h"}, 6),
        ({"until": "30h"}, 2),
        ({"dataset": "deliveries"}, 5),
        ({"dataset": "deliveries", "state": "dead"}, 3),
        ({"dataset": "deliveries", "state": "succeeded", "source": "github"}, 2),
        ({"dataset": "deliveries", "state": "dead", "types": ["issues"]}, 3),
        ({"dataset": "deliveries", "destination": "a"}, 5),
        ({"dataset": "deliveries", "destination": "b"}, 0),
    ],
    ids=str,
)
def test_what_is_counted_is_what_is_replayed(
    database: Database, words: dict[str, Any], expected: int
) -> None:
    old_events(database, 3, "a", type="issues.opened")
    ended(database)
    old_events(database, 2, "a", received_at=OLD - making.DAY_MS)
    ended(database, "succeeded")
    old_events(database, 1, "a")
    old_events(database, 2, source="stripe", type="invoice.paid")
    asked = ask(database, **words)
    assert asked.total == expected
    standing = asked.run()
    assert (standing.total, standing.done) == (expected, expected)


def test_what_came_to_it_later_was_not_counted_and_is_not_replayed(database: Database) -> None:
    """A delivery that dies, and an event that nobody wants, while the replay is on its way."""
    old_events(database, 1, "a")
    old_events(database, 1)
    dead, unmatched = ask(database, dataset="deliveries"), ask(database, state="unmatched")
    assert (dead.total, unmatched.total) == (0, 1)
    ended(database, at=making.now_ms())
    making.execute(
        database,
        "UPDATE events SET state = 'unmatched', matched = 0, dispatched_at = :now "
        "WHERE matched > 0",
        now=making.now_ms(),
    )
    making.execute(database, "UPDATE deliveries SET id = :id", id=making.new_id(OLD))
    assert dead.run().done == 0
    assert unmatched.run().done == 1


def test_a_replay_does_not_find_what_it_makes(database: Database) -> None:
    old_events(database, 2, "a")
    ended(database)
    asked = ask(database, dataset="deliveries")
    asked.advance()
    ended(database, at=making.now_ms())
    assert asked.run().done == 2
    assert len(queries.list_deliveries(database)) == 4


def test_what_is_younger_than_a_minute_is_left(database: Database) -> None:
    old_events(database, 1)
    making.stored(database, 1)
    assert ask(database).total == 1


def test_what_hookkeeper_tells_itself_is_replayed_where_it_is_named(database: Database) -> None:
    old_events(database, 1, source="hookkeeper", type="alert.backlog")
    old_events(database, 1)
    assert ask(database).total == 1
    assert ask(database, source="hookkeeper").total == 1


def test_what_is_forgotten_meanwhile_is_skipped(database: Database) -> None:
    ids = old_events(database, 3)
    asked = ask(database)
    retention.prune(database, {}, HOUR_MS, 2)
    standing = asked.run()
    assert (standing.total, standing.done) == (3, 1)
    (left,) = queries.list_events(database)
    assert left.id in ids


def test_rare_rows_are_found_stretch_by_stretch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_replay, "STRETCH", 3)
    for at in range(20):
        rare = "rare" if at in {0, 7, 8, 19} else "push"
        old_events(database, 1, type=rare, received_at=OLD + at)
    asked = ask(database, types=["rare"])
    assert asked.total == 4
    assert asked.run().done == 4
    again = [row.type for row in queries.list_events(database) if row.generation == 1]
    assert again == ["rare"] * 4


# -- exactly once ------------------------------------------------------------------------------


def test_two_that_believe_to_hold_the_job_never_do_a_page_twice(database: Database) -> None:
    old_events(database, 60)
    asked = ask(database, rate=1_000_000)

    def work(_: int) -> None:
        for _ in range(200):
            standing = asked.advance()
            if standing is not None and standing.finished:
                return
        raise AssertionError("it never ends")

    patched = pytest.MonkeyPatch()
    patched.setattr(bulk_replay, "portion", lambda _rate: 2)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
    finally:
        patched.undo()
    assert generations(database) == [1] * 60
    assert bulk_replay.begin(database, asked.claim.id, asked.replay).done == 60


def test_a_page_that_was_looked_for_before_another_one_was_done_is_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_events(database, 4)
    asked = ask(database)
    look = bulk_replay._look

    def overtaken(*arguments: Any) -> Any:
        found = look(*arguments)
        monkeypatch.setattr(bulk_replay, "_look", look)
        asked.advance()
        return found

    monkeypatch.setattr(bulk_replay, "_look", overtaken)
    assert asked.advance() is None
    assert generations(database) == [1] * 4


def test_a_start_that_was_declared_dead_does_nothing_more(database: Database) -> None:
    old_events(database, 2)
    asked = ask(database)
    making.end_leases(database)
    job_claims.free_expired(database, 10)
    assert asked.advance() is None
    making.execute(database, "UPDATE jobs SET due_at = 1, wake_at = 1")
    worker = making.a_worker(database)
    (claim,) = job_making.held(database, worker, asked.claim.id)
    assert asked.advance() is None, "though somebody holds the job"
    assert Asked(database, asked.replay, worker, claim, 2).run().done == 2


@pytest.mark.parametrize("order", [jobs.cancel, jobs.pause], ids=lambda order: order.__name__)
def test_an_order_holds_from_the_moment_it_is_given(database: Database, order: Any) -> None:
    old_events(database, 2)
    asked = ask(database)
    order(database, asked.claim.id)
    assert asked.advance() is None
    assert generations(database) == [0, 0]


@pytest.mark.parametrize("dataset", ["events", "deliveries"])
def test_a_page_is_done_as_a_whole_or_not_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    """What a killed process leaves: the transaction that it was in never happened."""
    old_events(database, 3, "a")
    ended(database)
    asked = ask(database, dataset=dataset)

    def killed(*_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(bulk_replay, "following", killed)
        with pytest.raises(KeyboardInterrupt):
            asked.advance()
    assert bulk_replay.begin(database, asked.claim.id, asked.replay).done == 0
    assert generations(database) == [0] * 3
    assert asked.run().done == 3
    assert generations(database) == [1] * 3


def test_another_start_goes_on_where_the_last_one_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_replay, "portion", lambda _rate: 2)
    old_events(database, 5)
    asked = ask(database)
    asked.advance()
    standing = bulk_replay.begin(database, asked.claim.id, asked.replay)
    assert (standing.total, standing.done, standing.finished) == (5, 2, False)
    assert asked.run().done == 5
    assert generations(database) == [1] * 5


# -- pace --------------------------------------------------------------------------------------


def test_a_page_waits_until_its_pace_allows_it(database: Database) -> None:
    old_events(database, 5)
    asked = ask(database, rate=2)
    first = asked.advance()
    assert first is not None
    assert (first.done, first.finished) == (2, False)
    assert 0 < first.wait_ms <= 1_000
    early = asked.advance()
    assert early is not None
    assert (early.done, early.wait_ms > 0) == (2, True)
    making.execute(database, "UPDATE bulk_replays SET next_at = 1")
    later = asked.advance()
    assert later is not None
    assert later.done == 4
    assert sorted(generations(database)) == [0, 1, 1, 1, 1]


def test_rows_that_are_not_wanted_cost_no_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_replay, "STRETCH", 2)
    old_events(database, 6, type="push")
    asked = ask(database, types=["rare"], rate=0.01)
    assert asked.run().done == 0


# -- its row -----------------------------------------------------------------------------------


def test_a_job_that_was_made_without_a_count_is_counted_when_it_begins(database: Database) -> None:
    """By a schedule, or by a program of the user's own."""
    old_events(database, 3)
    job_id = job_making.made_one(database, "bulk_replay")
    assert bulk_replay.begin(database, job_id, read()) == Standing(3, 0, "")
    old_events(database, 1)
    assert bulk_replay.begin(database, job_id, read()).total == 3


def test_the_same_key_makes_one_replay(database: Database) -> None:
    made = [
        bulk_replay.create(
            database,
            job_making.planned(Call("bulk_replay")),
            total,
            trace_id=job_making.TRACE_ID,
            idempotency_key="k",
        )
        for total in (3, 0)
    ]
    assert made[0].ids == made[1].ids
    assert made[1].repeated
    assert making.rows(database, "SELECT total FROM bulk_replays") == [(3,)]


def test_how_far_it_was_is_forgotten_with_its_job(database: Database) -> None:
    asked = ask(database)
    making.execute(database, "DELETE FROM jobs WHERE id = :id", id=asked.claim.id)
    assert making.rows(database, "SELECT * FROM bulk_replays") == []
