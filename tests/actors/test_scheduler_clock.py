"""The scheduler on a machine whose time is not smooth: suspended, or with its clock set back."""

import threading
from itertools import count

import pytest
from sqlalchemy import select, update

from actors.batch import now_ms
from actors.scheduler import CONTACT_MS, Scheduler, run
from ingest.config.model import Config
from ingest.events import DeliveryState
from ingest.queue import build_broker
from ingest.store import claims, schema, workers
from tests.actors.rig import Rig
from tests.waiting import wait_until

HANDLERS = """
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
"""


def running_under_an_expired_lease(rig: Rig) -> str:
    """An event whose only delivery belongs to a worker that has not renewed its lease."""
    rig.handlers(HANDLERS)
    event_id = rig.store()
    workers.register(rig.database, "w", "here", 1)
    assert claims.claim(rig.database, "w", [ref.id for ref in rig.dispatch(event_id)], {})
    with rig.database.write() as tx:
        tx.execute(update(schema.workers).values(lease_until=1))
    return event_id


def test_a_suspended_machine_does_not_make_its_workers_look_dead(rig: Rig, redis_url: str) -> None:
    """A lid that was closed: every lease has run out, and every worker lives."""
    broker = build_broker(redis_url, [])
    scheduler = Scheduler(rig.database, broker, Config)
    now = now_ms()
    scheduler.tick(now)
    scheduler.tick(now + CONTACT_MS)
    event_id = running_under_an_expired_lease(rig)

    scheduler.rested(60_000)
    scheduler.tick(now + 60_000)
    assert rig.state(event_id) == DeliveryState.RUNNING, "its worker may renew first"
    scheduler.rested(500)
    scheduler.tick(now + 60_000 + CONTACT_MS)

    assert rig.state(event_id) == DeliveryState.WAITING, "it did not"
    broker.client.connection_pool.disconnect()


def test_what_a_fast_clock_put_off_is_woken_once_it_is_set_back(rig: Rig, redis_url: str) -> None:
    """Ten seconds pass by the clock that nobody sets, and hardly any by the database's."""
    broker = build_broker(redis_url, [])
    scheduler = Scheduler(rig.database, broker, Config)
    now = now_ms()
    scheduler.tick(now)
    rig.store()
    asleep = now_ms() + 3_600_000
    with rig.database.write() as tx:
        tx.execute(update(schema.events).values(wake_at=asleep))

    scheduler.tick(now + 500)
    assert wake_time(rig) == asleep, "nothing has shown that it is wrong"
    scheduler.tick(now + 10_000)

    assert wake_time(rig) < asleep - 3_000_000
    broker.client.connection_pool.disconnect()


def wake_time(rig: Rig) -> int:
    with rig.database.read() as tx:
        return tx.execute(select(schema.events.c.wake_at)).scalar_one() or 0


def test_a_clock_that_is_set_back_stops_nothing(
    sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = sqlite_rig
    event_id = running_under_an_expired_lease(rig)
    hours = count(now_ms(), -3_600_000)
    monkeypatch.setattr("actors.scheduler.now_ms", lambda: next(hours))
    stopping = threading.Event()
    thread = threading.Thread(target=run, args=(rig.settings(), stopping))

    thread.start()
    try:
        wait_until(lambda: rig.state(event_id) == DeliveryState.WAITING, timeout=20)
    finally:
        stopping.set()
        thread.join()
