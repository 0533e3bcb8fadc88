"""One message for many deliveries: who rides along, and what is written for them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select, text, update

from ingest.events import (
    AttemptOutcome,
    AttemptResult,
    Claimed,
    DeliveryState,
    DestinationKind,
    Settled,
    Target,
)
from ingest.store import Database, claims, ledger, queries
from ingest.store.accept import accept
from ingest.store.digests import riders
from ingest.store.dispatch import dispatch, undispatched
from ingest.store.schema import deliveries
from ingest.store.workers import register
from tests.actors.rig import arrival
from tests.waiting import wait_until

WORKER = "worker-1"
CAPS = {"oncall": 1}
WINDOW_MS = 900_000


@pytest.fixture(autouse=True)
def worker(database: Database) -> str:
    register(database, WORKER, "host", 1)
    return WORKER


def store(database: Database, count: int, *, due: bool = True) -> list[str]:
    """Store events for oncall, and let their window end; return their deliveries."""
    target = Target("oncall", DestinationKind.EMAIL, "notify", WINDOW_MS)
    events = [arrival("github", "push", b"{}") for _ in range(count)]
    accept(database, events)
    found = undispatched(database, [event.event_id for event in events])
    refs = dispatch(database, [(event, (target,)) for event in found])
    assert refs == []  # nothing is to be published before the window ends
    ids = [queries.list_deliveries(database, event_id=event.id)[0].id for event in found]
    if due:
        with database.write() as tx:
            late = {"due_at": 1, "wake_at": 1}
            tx.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(**late))
    return ids


def claim(database: Database, ids: list[str]) -> Claimed:
    (one,) = claims.claim(database, WORKER, ids, CAPS)
    return one


def settled(
    carrier: Claimed, state: DeliveryState, outcome: AttemptOutcome, riding: tuple[str, ...]
) -> Settled:
    wake_at = 2_000_000_000_000 if state is DeliveryState.WAITING else None
    result = AttemptResult(outcome, "smtp_451", "busy", 451, riders=riding)
    now = carrier.started_at + 5
    return Settled(
        carrier.delivery_id, carrier.starts, state, wake_at, result, carrier.started_at, now
    )


def rows(database: Database, ids: list[str]) -> list[queries.DeliveryRow]:
    return [queries.get_delivery(database, id_) for id_ in ids]


def test_a_digest_waits_for_the_end_of_its_window(database: Database) -> None:
    ids = store(database, 2, due=False)

    with database.read() as tx:
        columns = (deliveries.c.due_at, deliveries.c.wake_at, deliveries.c.created_at)
        found = tx.execute(select(*columns).where(deliveries.c.id.in_(ids))).all()

    for row in found:
        assert row.due_at == row.wake_at
        assert row.due_at % WINDOW_MS == 0
        assert row.created_at < row.due_at <= row.created_at + WINDOW_MS


def test_all_that_are_due_ride_along_and_a_few_are_read(database: Database) -> None:
    ids = store(database, 5)
    later = store(database, 1, due=False)

    carrier = claim(database, ids)
    found = riders(database, carrier, 2)

    assert sorted((carrier.delivery_id, *found.ids)) == sorted(ids)
    assert later[0] not in found.ids
    assert len(found.events) == 2


def test_a_message_that_was_sent_ends_all_of_them(database: Database, worker: str) -> None:
    ids = store(database, 5)
    carrier = claim(database, ids)
    found = riders(database, carrier, 1)

    done = settled(carrier, DeliveryState.SUCCEEDED, AttemptOutcome.SUCCEEDED, found.ids)
    recorded = claims.record(database, worker, [done], CAPS)

    assert recorded.freed == []
    assert {row.state for row in rows(database, ids)} == {DeliveryState.SUCCEEDED}
    for id_ in found.ids:
        (attempt,) = queries.list_attempts(database, id_)
        assert (attempt.outcome, attempt.status) == (AttemptOutcome.SUCCEEDED, 451)
        assert carrier.delivery_id in attempt.message
    assert set(ledger.violations(database).values()) == {0}


def test_a_message_that_failed_is_tried_again_as_one(database: Database, worker: str) -> None:
    ids = store(database, 3)
    carrier = claim(database, ids)
    riding = riders(database, carrier, 1).ids

    failed = settled(carrier, DeliveryState.WAITING, AttemptOutcome.RETRYABLE, riding)
    claims.record(database, worker, [failed], CAPS)

    found = rows(database, ids)
    assert {(row.state, row.due_at, row.attempts) for row in found} == {
        (DeliveryState.WAITING, failed.wake_at, 1)
    }


def test_what_was_tried_less_often_waits_for_its_own_message(database: Database) -> None:
    """What is given up with the carrier must be as old as the carrier."""
    fresh = store(database, 2)
    carrier = replace(claim(database, store(database, 1)), attempts=7)

    assert riders(database, carrier, 1).ids == ()
    assert len(fresh) == 2


def test_suspects_never_ride(database: Database) -> None:
    ids = store(database, 3)
    with database.write() as tx:
        tx.execute(update(deliveries).where(deliveries.c.id == ids[2]).values(crashes=1, starts=1))

    carrier = claim(database, ids)

    assert ids[2] not in (carrier.delivery_id, *riders(database, carrier, 1).ids)


def test_a_carrier_that_was_fenced_speaks_for_nobody(database: Database, worker: str) -> None:
    ids = store(database, 2)
    carrier = claim(database, ids)
    riding = riders(database, carrier, 1).ids
    stale = replace(
        settled(carrier, DeliveryState.SUCCEEDED, AttemptOutcome.SUCCEEDED, riding), starts=99
    )

    assert claims.record(database, worker, [stale], CAPS).fenced == 1

    assert rows(database, list(riding))[0].state == DeliveryState.WAITING


def test_a_rider_that_was_taken_meanwhile_is_left_alone(database: Database, worker: str) -> None:
    ids = store(database, 2)
    carrier = claim(database, ids)
    riding = riders(database, carrier, 1).ids
    claims.claim(database, worker, list(riding), {})

    done = settled(carrier, DeliveryState.SUCCEEDED, AttemptOutcome.SUCCEEDED, riding)
    claims.record(database, worker, [done], CAPS)

    assert rows(database, list(riding))[0].state == DeliveryState.RUNNING


def test_a_rider_that_is_put_off_at_this_moment_is_waited_for(database: Database) -> None:
    """The scheduler moves its wake time while the message's outcome is written."""
    ids = store(database, 2)
    carrier = claim(database, ids)
    rider = next(id_ for id_ in ids if id_ != carrier.delivery_id)
    done = settled(carrier, DeliveryState.SUCCEEDED, AttemptOutcome.SUCCEEDED, (rider,))

    with ThreadPoolExecutor(1) as pool:
        with database.write() as tx:
            tx.execute(update(deliveries).where(deliveries.c.id == rider).values(wake_at=2))
            recording = pool.submit(claims.record, database, WORKER, [done], CAPS)
            if database.dialect == "postgresql":  # on SQLite it waits to begin
                waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                wait_until(lambda: bool(tx.execute(waits).scalar()), describe="a record that waits")
        recording.result()

    assert [one.state for one in rows(database, ids)] == [DeliveryState.SUCCEEDED] * 2
