"""What the scheduler does when, on both databases, without waiting for it."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from actors.batch import now_ms
from actors.scheduler import CONTACT_MS, QUEUE_LIMIT, Scheduler, rest_seconds
from ingest import metrics
from ingest.config.model import Config
from ingest.errors import StoreUnavailable
from ingest.events import DeliveryState, EventState
from ingest.queue import DELIVER, DISPATCH, PROCESS, WakeBroker, build_broker, depth, publish_events
from ingest.store import claims, queries, schema, workers
from tests.actors.rig import Rig
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.waiting import wait_until

CONFIG = Config()

HANDLERS = """
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
"""


@pytest.fixture
def broker(redis_url: str) -> Iterator[WakeBroker]:
    built = build_broker(redis_url, [])
    yield built
    built.client.connection_pool.disconnect()


@pytest.fixture
def scheduler(rig: Rig, broker: WakeBroker) -> Scheduler:
    rig.handlers(HANDLERS)
    return Scheduler(rig.database, broker, lambda: CONFIG)


def overdue(rig: Rig) -> None:
    """Let the wake times of everything that waits have passed."""
    with rig.database.write() as tx:
        for table in (schema.events, schema.deliveries):
            tx.execute(update(table).where(table.c.wake_at.is_not(None)).values(wake_at=1))


def published(broker: WakeBroker, queue: str) -> int:
    client: Any = broker.client
    return int(client.llen(f"{broker.namespace}:{queue}"))


def test_an_event_whose_publish_was_lost_is_published_again(
    rig: Rig, scheduler: Scheduler, broker: WakeBroker
) -> None:
    rig.store()
    scheduler.tick(now_ms())
    assert published(broker, DISPATCH) == 0, "its first message has some seconds to arrive"

    overdue(rig)
    scheduler.tick(now_ms())
    scheduler.tick(now_ms())

    assert published(broker, DISPATCH) == 1, "and is then left alone for a while"


def test_a_retry_is_published_when_it_is_due(
    rig: Rig, scheduler: Scheduler, broker: WakeBroker
) -> None:
    rig.dispatch(rig.store(), rig.store())

    overdue(rig)
    scheduler.tick(now_ms())

    assert published(broker, PROCESS) == 1, "both in one message"


def test_a_queue_that_is_full_gets_no_more(
    rig: Rig, scheduler: Scheduler, broker: WakeBroker
) -> None:
    for _ in range(QUEUE_LIMIT):
        publish_events(broker, ["already there"])
    rig.store()
    rig.dispatch(rig.store())
    overdue(rig)

    scheduler.tick(now_ms())

    assert depth(broker, DISPATCH) == QUEUE_LIMIT
    assert published(broker, PROCESS) == 1, "other queues go on"


def test_without_a_broker_wake_times_are_left_alone(
    rig: Rig, scheduler: Scheduler, broker: WakeBroker, redis_server: RedisServer
) -> None:
    """So everything is published at once when the broker is back, not ten seconds later."""
    rig.dispatch(rig.store())
    overdue(rig)
    redis_server.kill()
    scheduler.tick(now_ms())
    assert (reached("broker"), reached("database")) == (0, 1)

    redis_server.start()
    wait_until(lambda: not scheduler.tick(now_ms()) and published(broker, PROCESS) == 1)
    assert (reached("broker"), reached("database")) == (1, 1)


def reached(dependency: str) -> float:
    """What the metrics say of it."""
    return float(metrics.DEPENDENCY_UP.labels(dependency)._value.get())


def test_rows_of_a_dead_worker_are_freed_and_published_alone(
    rig: Rig, scheduler: Scheduler, broker: WakeBroker
) -> None:
    event_ids = [rig.store(), rig.store()]
    refs = rig.dispatch(*event_ids)
    take(rig, [ref.id for ref in refs])
    expire(rig)
    now = now_ms()

    scheduler.tick(now)
    assert {rig.state(one) for one in event_ids} == {DeliveryState.RUNNING}
    scheduler.tick(now + CONTACT_MS)

    assert {rig.state(one) for one in event_ids} == {DeliveryState.WAITING}
    assert [rig.delivery(one).crashes for one in event_ids] == [1, 1]
    assert published(broker, PROCESS) == 2, "one message each"


def take(rig: Rig, ids: list[str]) -> None:
    workers.register(rig.database, "w", "here", 1)
    assert len(claims.claim(rig.database, "w", ids, {})) == len(ids)


def expire(rig: Rig) -> None:
    with rig.database.write() as tx:
        tx.execute(update(schema.workers).values(lease_until=1))


def test_an_outage_of_the_database_does_not_make_workers_look_dead(
    rig: Rig, scheduler: Scheduler, request: pytest.FixtureRequest
) -> None:
    """They could not renew either; they get time to, after the database is back."""
    event_id = rig.store()
    now = now_ms()
    scheduler.tick(now)
    scheduler.tick(now + CONTACT_MS)
    take(rig, [ref.id for ref in rig.dispatch(event_id)])
    overdue_event = rig.store()
    overdue(rig)

    if rig.database.dialect == "sqlite":
        with rig.database.write():
            assert not scheduler.tick(now + 10_000)
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.stop()
        assert not scheduler.tick(now + 10_000)
        server.start()
    assert reached("database") == 0
    wait_until(lambda: reachable(rig))
    expire(rig)

    scheduler.tick(now + 20_000)
    assert rig.state(event_id) == DeliveryState.RUNNING, "its first contact again"
    assert queries.get_event(rig.database, overdue_event).state == EventState.STORED
    scheduler.tick(now + 20_000 + CONTACT_MS)
    assert rig.state(event_id) == DeliveryState.WAITING


def reachable(rig: Rig) -> bool:
    try:
        with rig.database.read():
            return True
    except StoreUnavailable:
        return False


def test_two_schedulers_publish_once(rig: Rig, broker: WakeBroker) -> None:
    rig.handlers(HANDLERS)
    rig.store()
    overdue(rig)

    for _ in range(2):
        Scheduler(rig.database, broker, lambda: CONFIG).tick(now_ms())

    assert published(broker, DISPATCH) == 1


def test_a_full_step_asks_for_another_tick_at_once(
    rig: Rig, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.scheduler.LIMIT", 2)
    for _ in range(3):
        rig.store()
    overdue(rig)
    now = now_ms()

    assert [scheduler.tick(now), scheduler.tick(now)] == [True, False]


def test_gauges_tell_what_waits_and_forget_what_does_not(rig: Rig, scheduler: Scheduler) -> None:
    rig.dispatch(rig.store())
    scheduler.look()
    before = gauge(PROCESS, "waiting")

    with rig.database.write() as tx:
        tx.execute(schema.deliveries.delete())
    scheduler.look()

    assert (before, gauge(PROCESS, "waiting")) == (1, 0)
    assert gauge(DELIVER, "waiting") == 0


def test_what_an_earlier_scheduler_told_of_an_empty_queue_is_corrected(
    rig: Rig, broker: WakeBroker
) -> None:
    metrics.DEPTH.labels(DELIVER, "running").set(8)

    Scheduler(rig.database, broker, lambda: CONFIG, told={(DELIVER, "running")}).look()

    assert gauge(DELIVER, "running") == 0


def gauge(queue: str, state: str) -> float:
    return float(metrics.DEPTH.labels(queue, state)._value.get())


@pytest.mark.parametrize(
    ("counted", "rest"),
    [(0.01, 5), (0.4, 20), (4, 30), (60, 30)],
    ids=["a moment", "long", "hung on a database that died", "a backlog on a slow disk"],
)
def test_what_takes_longer_to_count_is_counted_less_often_but_never_left_to_grow_old(
    counted: float, rest: float
) -> None:
    assert rest_seconds(counted) == pytest.approx(rest)


def test_the_process_runs_and_stops_in_order(rig: Rig) -> None:
    rig.handlers(HANDLERS)
    process = rig.start("actors.scheduler")
    wait_until(lambda: "scheduler.started" in rig.output(), timeout=30)
    assert '"retention_days":90' in rig.output()
    event_id = rig.store()
    overdue(rig)

    def wakes_at() -> int:
        with rig.database.read() as tx:
            row = tx.execute(schema.events.select().where(schema.events.c.id == event_id)).one()
        return int(row.wake_at)

    wait_until(lambda: wakes_at() > now_ms())
    os.kill(process.pid, signal.SIGTERM)

    assert process.wait(10) == 0
    assert "scheduler.stopped" in rig.output()
