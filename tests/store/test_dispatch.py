"""An event's targets become deliveries, once."""

from concurrent.futures import ThreadPoolExecutor

from ingest.events import DeliveryState, DestinationKind, EventState, Target
from ingest.store import Database, dispatch, queries, replay
from ingest.store.accept import PUBLISH_GRACE_MS
from tests.store.making import now_ms, rows, stored, target


def test_each_target_becomes_a_delivery_that_waits(database: Database) -> None:
    (event,) = stored(database)
    targets = (target("billing"), Target("audit", DestinationKind.PYTHON, "slow"))
    refs = dispatch.dispatch(database, [(event, targets)])
    assert [(ref.destination, ref.kind, ref.queue, ref.alone) for ref in refs] == [
        ("billing", DestinationKind.HTTP, "deliver", False),
        ("audit", DestinationKind.PYTHON, "slow", False),
    ]
    found = queries.list_deliveries(database, event_id=event.id)
    assert [row.id for row in found] == [ref.id for ref in refs]
    for row in found:
        assert row.state is DeliveryState.WAITING
        assert row.wake_at == row.due_at + PUBLISH_GRACE_MS
        assert abs(row.due_at - now_ms()) < 5_000
        assert (row.starts, row.attempts, row.crashes, row.generation) == (0, 0, 0, 0)
    kept = queries.get_event(database, event.id)
    assert kept.state is EventState.DISPATCHED
    assert kept.dispatched_at is not None
    assert rows(database, "SELECT wake_at, matched, matched_generation FROM events") == [
        (None, 2, 0)
    ]


def test_an_event_that_no_route_wants_is_unmatched_and_kept(database: Database) -> None:
    (event,) = stored(database)
    assert dispatch.dispatch(database, [(event, ())]) == []
    kept = queries.get_event(database, event.id)
    assert kept.state is EventState.UNMATCHED
    assert kept.body == event.body


def test_a_second_dispatch_does_nothing(database: Database) -> None:
    events = stored(database, 3)
    plans = [(event, (target("a"), target("b"))) for event in events]
    assert len(dispatch.dispatch(database, plans)) == 6
    assert dispatch.undispatched(database, [event.id for event in events]) == []
    assert dispatch.dispatch(database, plans) == []
    assert len(queries.list_deliveries(database)) == 6


def test_dispatchers_at_the_same_time_make_one_delivery_each(database: Database) -> None:
    events = stored(database, 20)
    plans = [(event, (target("a"), target("b"))) for event in events]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda order: dispatch.dispatch(database, order), [plans, plans[::-1]] * 2)
        )
    assert sum(map(len, found)) == 40
    assert len(queries.list_deliveries(database)) == 40


def test_a_plan_made_before_a_replay_is_not_carried_out(database: Database) -> None:
    """The replay's own wake-up brings a plan of the right generation."""
    (event,) = stored(database)
    generation = replay.replay_event(database, event.id)
    assert dispatch.dispatch(database, [(event, (target("a"),))]) == []
    (again,) = dispatch.undispatched(database, [event.id])
    assert again.generation == generation
    assert len(dispatch.dispatch(database, [(again, (target("a"),))])) == 1


def test_only_events_that_wait_are_read_for_dispatch(database: Database) -> None:
    first, second = stored(database, 2)
    dispatch.dispatch(database, [(first, ())])
    found = dispatch.undispatched(database, [second.id, first.id, "no such id"])
    assert found == [second]


def test_an_event_can_be_read_without_what_routing_does_not_look_at(database: Database) -> None:
    (event,) = stored(database)
    (heading,) = dispatch.undispatched(database, [event.id], whole=False)
    assert (heading.id, heading.source, heading.type) == (event.id, event.source, event.type)
    assert (heading.trace_id, heading.generation) == (event.trace_id, event.generation)
    assert (heading.headers, heading.body) == ((), b"")
    assert len(dispatch.dispatch(database, [(heading, (target("a"),))])) == 1


def test_nothing_to_dispatch_is_nothing(database: Database) -> None:
    assert dispatch.dispatch(database, []) == []
    assert dispatch.undispatched(database, []) == []
