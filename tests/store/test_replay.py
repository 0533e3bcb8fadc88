"""A replay is a new generation: nothing of the old one is changed or delivered twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.errors import Conflict, HookkeeperError, NotFound
from ingest.events import DeliveryState, EventState
from ingest.store import Database, claims, dispatch, ledger, queries, replay, replay_keys, wake
from tests.store.making import (
    REFUSAL,
    a_worker,
    accepted,
    arrival,
    claimed,
    dispatched,
    execute,
    new_id,
    rows,
    settled,
    target,
)


def a_dead_letter(database: Database, destination: str = "a") -> str:
    worker = a_worker(database)
    (claim,) = claimed(database, worker, dispatched(database, destination))
    claims.record(database, worker, [settled(claim, DeliveryState.DEAD, REFUSAL)], {})
    return claim.delivery_id


def test_a_replayed_event_is_routed_again_at_once(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    (row,) = queries.list_deliveries(database)
    assert replay.replay_event(database, row.event_id) == 1
    assert queries.get_event(database, row.event_id).state is EventState.STORED
    assert wake.due_events(database, 10) == [row.event_id]
    (event,) = dispatch.undispatched(database, [row.event_id])
    assert event.generation == 1
    refs = dispatch.dispatch(database, [(event, (target("a"), target("b")))])
    assert len(refs) == 2
    generations = [
        (row.destination, row.generation)
        for row in queries.list_deliveries(database, event_id=event.id)
    ]
    assert generations == [("a", 0), ("a", 1), ("b", 1)]
    assert ref.id not in {new.id for new in refs}
    assert not any(ledger.violations(database).values())


def test_an_unmatched_event_can_be_replayed_after_its_route_was_added(database: Database) -> None:
    made = arrival()
    accepted(database, made)
    dispatch.dispatch(database, [(dispatch.undispatched(database, [made.event_id])[0], ())])
    replay.replay_event(database, made.event_id)
    (event,) = dispatch.undispatched(database, [made.event_id])
    assert len(dispatch.dispatch(database, [(event, (target("a"),))])) == 1


def test_an_old_event_may_wait_for_its_replay(database: Database) -> None:
    """The ledger asks how long it has been stored, not how old it is."""
    made = arrival()
    accepted(database, made)
    execute(database, "UPDATE events SET received_at = 0, stored_at = 0")
    assert ledger.violations(database)["event_undispatched"] == 1
    replay.replay_event(database, made.event_id)
    assert ledger.violations(database)["event_undispatched"] == 0


def test_a_dead_letter_is_delivered_again_as_a_new_delivery(database: Database) -> None:
    old_id = a_dead_letter(database)
    ref = replay.replay_delivery(database, old_id)
    old, new = sorted(queries.list_deliveries(database), key=lambda row: row.generation)
    assert (old.state, old.replayed_as) == (DeliveryState.DEAD, ref.id)
    assert (new.id, new.state, new.generation) == (ref.id, DeliveryState.WAITING, 1)
    assert (new.attempts, new.crashes) == (0, 0)
    assert queries.list_dead(database) == []
    (claim,) = claims.claim(database, a_worker(database), [ref.id], {})
    assert (claim.event.generation, claim.generation) == (1, 1)


def test_a_replayed_delivery_is_published_by_the_next_tick_of_a_scheduler(
    database: Database,
) -> None:
    replayed = replay.replay_delivery(database, a_dead_letter(database))

    assert [ref.id for ref in wake.due_deliveries(database, 10)] == [replayed.id]


def test_replays_of_a_delivery_and_its_event_do_not_meet(database: Database) -> None:
    """Both take a generation of their own, whichever comes first."""
    old_id = a_dead_letter(database)
    (old,) = queries.list_deliveries(database)
    replay.replay_event(database, old.event_id)
    ref = replay.replay_delivery(database, old_id)
    (event,) = dispatch.undispatched(database, [old.event_id])
    (routed,) = dispatch.dispatch(database, [(event, (target("a"),))])
    assert routed.id != ref.id
    found = queries.list_deliveries(database, event_id=old.event_id)
    assert len({row.generation for row in found}) == 3
    assert not any(ledger.violations(database).values())


def test_a_delivery_is_replayed_once(database: Database) -> None:
    old_id = a_dead_letter(database)
    ref = replay.replay_delivery(database, old_id)
    with pytest.raises(HookkeeperError, match=ref.id):
        replay.replay_delivery(database, old_id)
    assert len(queries.list_deliveries(database)) == 2


def test_what_has_not_ended_needs_no_replay(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    with pytest.raises(HookkeeperError, match="still waiting"):
        replay.replay_delivery(database, ref.id)


def test_what_is_not_there_is_said(database: Database) -> None:
    with pytest.raises(NotFound):
        replay.replay_event(database, new_id())
    with pytest.raises(NotFound):
        replay.replay_delivery(database, new_id())


def test_the_same_key_replays_an_event_once(database: Database) -> None:
    """Whoever heard no answer asks again, also after the event was replayed by somebody else."""
    (made,) = accepted(database, arrival())
    first = replay.replay_event(database, made.event_id, idempotency_key="k")
    replay.replay_event(database, made.event_id)
    assert replay.replay_event(database, made.event_id, idempotency_key="k") == first == 1
    assert queries.get_event(database, made.event_id).generation == 2
    assert replay.replay_event(database, made.event_id, idempotency_key="other") == 3


def test_the_same_key_replays_a_delivery_once_and_answers_the_same(database: Database) -> None:
    old_id = a_dead_letter(database)
    first = replay.replay_delivery(database, old_id, idempotency_key="k")
    assert replay.replay_delivery(database, old_id, idempotency_key="k") == first
    assert len(queries.list_deliveries(database)) == 2


def test_a_key_of_another_replay_is_a_conflict_and_replays_nothing(database: Database) -> None:
    first, second = (made.event_id for made in accepted(database, arrival(), arrival()))
    replay.replay_event(database, first, idempotency_key="k")
    with pytest.raises(Conflict, match=first):
        replay.replay_event(database, second, idempotency_key="k")
    assert queries.get_event(database, second).generation == 0


def test_a_replay_that_was_refused_has_not_used_its_key(database: Database) -> None:
    with pytest.raises(NotFound):
        replay.replay_event(database, new_id(), idempotency_key="k")
    (made,) = accepted(database, arrival())
    assert replay.replay_event(database, made.event_id, idempotency_key="k") == 1


def test_requests_with_one_key_at_once_replay_once(database: Database) -> None:
    (made,) = accepted(database, arrival())

    def ask(_: int) -> int:
        return replay.replay_event(database, made.event_id, idempotency_key="k")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {1}


def test_keys_are_forgotten_after_a_week(database: Database) -> None:
    (made,) = accepted(database, arrival())
    replay.replay_event(database, made.event_id, idempotency_key="old")
    execute(database, f"UPDATE replay_keys SET made_at = made_at - {replay_keys.KEPT_MS + 1}")
    replay.replay_event(database, made.event_id, idempotency_key="new")
    assert rows(database, "SELECT key FROM replay_keys") == [("new",)]
