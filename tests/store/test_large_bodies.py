"""A batch is bounded in bytes too: many large bodies never stand in memory together."""

from ingest.events import DeliveryState, Event
from ingest.store import Database, claims, dispatch, queries
from ingest.store.event_rows import BATCH_BYTES
from tests.store.making import a_worker, accepted, arrival, ids_of, target

HALF = bytes(BATCH_BYTES // 2)


def accepted_ids(database: Database, *bodies: bytes) -> list[str]:
    answers = [accepted(database, arrival(body))[0] for body in bodies]
    return [answer.event_id for answer in answers]


def dispatched_events(database: Database, ids: list[str]) -> list[Event]:
    """Dispatch all of the events, asking again for those that did not fit."""
    done: list[Event] = []
    while events := dispatch.undispatched(database, ids):
        dispatch.dispatch(database, [(event, (target("a"),)) for event in events])
        done += events
    return done


def test_large_events_are_read_for_dispatch_as_many_as_fit(database: Database) -> None:
    ids = accepted_ids(database, HALF, HALF, b"small")

    first = dispatch.undispatched(database, ids)

    assert [event.id for event in first] == ids[:2]
    assert [event.id for event in dispatched_events(database, ids)] == ids


def test_an_event_larger_than_a_batch_is_read_by_itself(database: Database) -> None:
    ids = accepted_ids(database, HALF + HALF + b"!", b"small")

    assert [event.id for event in dispatch.undispatched(database, ids)] == ids[:1]
    assert len(dispatched_events(database, ids)) == 2


def test_large_deliveries_are_claimed_as_many_as_fit(database: Database) -> None:
    events = dispatched_events(database, accepted_ids(database, HALF, HALF, HALF))
    deliveries = {row.event_id: row.id for row in queries.list_deliveries(database)}
    wanted = [deliveries[event.id] for event in events]
    worker = a_worker(database)

    claimed = claims.claim(database, worker, wanted, {})

    assert ids_of(claimed) == wanted[:2]
    states = {row.id: row.state for row in queries.list_deliveries(database)}
    assert states[wanted[2]] == DeliveryState.WAITING
    assert ids_of(claims.claim(database, worker, wanted[2:], {})) == wanted[2:]
