"""A worker as dramatiq runs it, with the whole middleware: from a stored event to its outcome."""

import threading
import time
from contextlib import suppress

import pytest
from dramatiq import Broker, Worker

from actors.middleware.watch import Watch
from ingest import metrics
from ingest.events import DeliveryState
from ingest.queue import build_broker, publish_deliveries, publish_events
from ingest.store import destinations, ledger, workers
from tests.actors.rig import Rig
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until

SUCCEEDED, WAITING, DEAD = DeliveryState.SUCCEEDED, DeliveryState.WAITING, DeliveryState.DEAD

DESTINATION = """
[destinations.billing]
url = "{url}"
allow = ["127.0.0.0/8"]
timeout = "{timeout}"
[[routes]]
source = "github"
to = ["billing"]
"""


def test_a_stored_event_reaches_its_sync_and_its_async_handler(rig: Rig) -> None:
    rig.handlers("""
@on("github", "push", name="sync")
def sync(event: Event) -> None:
    note("sync", event)

@on("github", "push", name="async")
async def asynchronous(event: Event) -> None:
    await asyncio.sleep(0)
    note("async", event)
""")
    event_id = rig.store()

    with rig.worker() as broker:
        publish_events(broker, [event_id])
        wait_until(lambda: {row.state for row in rig.deliveries(event_id)} == {SUCCEEDED})

    assert [id_ for id_, _ in rig.notes("sync")] == [event_id]
    assert [id_ for id_, _ in rig.notes("async")] == [event_id]
    assert not any(ledger.violations(rig.database).values())


def test_a_handler_knows_whether_only_the_sender_can_have_said_the_type(sqlite_rig: Rig) -> None:
    rig = sqlite_rig
    rig.handlers("""
@on("github", name="careful")
def careful(event: Event) -> None:
    note("doubted" if event.type_signed is False else "believed", event)
""")
    event_id = rig.store()

    with rig.worker() as broker:
        publish_deliveries(broker, rig.dispatch(event_id))
        rig.wait_for(event_id, SUCCEEDED)

    assert [id_ for id_, _ in rig.notes("doubted")] == [event_id]


def test_a_thread_is_busy_as_long_as_its_message(sqlite_rig: Rig) -> None:
    rig = sqlite_rig
    rig.handlers("""
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
    while not (HERE / "release").exists():
        time.sleep(0.01)
""")

    with rig.worker() as broker:
        publish_deliveries(broker, rig.dispatch(rig.store()))
        wait_until(lambda: rig.notes("work"))
        assert _busy() == 1
        (rig.folder / "release").touch()
        wait_until(lambda: _busy() == 0, describe="the thread to be free again")


def _busy() -> float:
    return float(metrics.WORKER_THREADS_BUSY._value.get())


def test_no_message_is_worked_on_before_the_boot_is_over(
    sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could end the process, and dramatiq's master would not look for another 30 s."""
    rig, early = sqlite_rig, []
    rig.handlers("""
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
""")
    event_id = rig.store()
    refs = rig.dispatch(event_id)
    watch = Watch.after_worker_boot

    def slowly(self: Watch, broker: Broker, worker: Worker) -> None:
        with suppress(AssertionError):
            wait_until(lambda: rig.notes("work"), timeout=1.0)
        early.extend(rig.notes("work"))
        watch(self, broker, worker)

    monkeypatch.setattr(Watch, "after_worker_boot", slowly)
    broker = build_broker(rig.settings().broker_url, [])
    publish_deliveries(broker, refs)
    broker.close()
    with rig.worker():
        rig.wait_for(event_id, SUCCEEDED)

    assert not early


def test_a_handlers_own_queue_is_read(sqlite_rig: Rig) -> None:
    rig = sqlite_rig
    rig.handlers("""
@on("github", name="slow", queue="slow.lane")
def slow(event: Event) -> None:
    note("slow", event)
""")
    event_id = rig.store()

    with rig.worker() as broker:
        publish_events(broker, [event_id])
        rig.wait_for(event_id, SUCCEEDED)

    assert rig.delivery(event_id).queue == "slow.lane"


def test_an_http_destination_gets_the_body_as_it_came(rig: Rig, sink: Sink) -> None:
    rig.config(DESTINATION.format(url=sink.url("/in"), timeout="5s"))
    body = b'{"caf\xc3\xa9": 1,\r\n "x": "\xff"}'
    event_id = rig.store(body=body)

    with rig.worker() as broker:
        publish_events(broker, [event_id])
        rig.wait_for(event_id, SUCCEEDED)

    (request,) = sink.requests("/in")
    assert request.body == body
    assert request.header("webhook-id") == event_id
    assert request.header("content-type") == "application/json; charset=utf-8"
    names = {name.lower() for name, _ in request.headers}
    assert names.isdisjoint({"x-twice", "cookie"}), "nothing of the sender's headers"


def test_a_failure_waits_in_the_database_and_not_in_a_worker(rig: Rig, sink: Sink) -> None:
    rig.config(DESTINATION.format(url=sink.url("/in"), timeout="5s"))
    sink.script("/in", Answer(503, (("Retry-After", "120"),), b"try later"))
    event_id = rig.store()

    with rig.worker() as broker:
        publish_events(broker, [event_id])
        wait_until(lambda: rig.attempts(event_id) if rig.deliveries(event_id) else None)

    row, (attempt,) = rig.delivery(event_id), rig.attempts(event_id)
    assert (row.state, row.attempts) == (WAITING, 1)
    assert (attempt.outcome, attempt.status, attempt.code) == ("retryable", 503, "http_503")
    assert "try later" in (attempt.message or "")
    assert row.wake_at is not None
    assert row.wake_at - attempt.finished_at >= 120_000, "Retry-After is honoured"


def test_a_message_that_comes_twice_is_one_attempt(rig: Rig) -> None:
    rig.handlers("""
@on("github", name="count")
def count(event: Event) -> None:
    note("count", event)
""")
    event_ids = [rig.store() for _ in range(30)]
    refs = rig.dispatch(*event_ids)

    with rig.worker() as broker:
        for _ in range(5):
            publish_deliveries(broker, refs)
        wait_until(lambda: all(rig.state(one) == SUCCEEDED for one in event_ids))

    assert sorted(id_ for id_, _ in rig.notes("count")) == sorted(event_ids)


def test_a_destination_that_hangs_does_not_hold_every_thread(rig: Rig, sink: Sink) -> None:
    rig.handlers("""
@on("other", name="quick")
def quick(event: Event) -> None:
    note("quick", event)
""")
    rig.config(DESTINATION.format(url=sink.url("/hang"), timeout="30s"))
    sink.script("/hang", Answer(hang=True))
    hanging = [rig.store() for _ in range(40)]

    with rig.worker(threads=4) as broker:
        for event_id in hanging:  # one by one: more messages than threads
            publish_deliveries(broker, rig.dispatch(event_id))
        sink.wait_for(2, "/hang")
        quick = rig.store(source="other")
        publish_deliveries(broker, rig.dispatch(quick))
        rig.wait_for(quick, SUCCEEDED, timeout=5)
        # Messages that waited side by side are joined: one thread may have sent several requests.
        wait_until(lambda: _busy() == 2, describe="two threads of four to wait for the destination")

        sink.release()
        wait_until(
            lambda: all(rig.state(one) == SUCCEEDED for one in hanging),
            timeout=15,
            describe="what was parked to be delivered at once, without a scheduler",
        )


def test_a_cap_holds_over_threads(rig: Rig) -> None:
    rig.handlers("""
running = []

@on("github", name="capped", concurrency=2)
async def capped(event: Event) -> None:
    running.append(event.id)
    note(f"at_once_{len(running)}", event)
    await asyncio.sleep(0.02)
    running.remove(event.id)
""")
    event_ids = [rig.store() for _ in range(20)]

    with rig.worker(threads=8) as broker:
        refs = rig.dispatch(*event_ids)
        publish_deliveries(broker, refs)  # together: the first claim takes as many as the cap
        for ref in refs:
            publish_deliveries(broker, [ref])
        wait_until(lambda: all(rig.state(one) == SUCCEEDED for one in event_ids), timeout=20)

    assert rig.notes("at_once_2")
    assert not rig.notes("at_once_3")


def test_a_paused_destination_is_left_alone(rig: Rig) -> None:
    rig.handlers("""
@on("github", name="paused")
def paused(event: Event) -> None:
    note("paused", event)

@on("github", name="free")
def free(event: Event) -> None:
    note("free", event)
""")
    destinations.pause(rig.database, "paused", "maintenance")
    event_id = rig.store()

    with rig.worker() as broker:
        publish_events(broker, [event_id])
        wait_until(lambda: rig.notes("free"))

    states = {row.destination: row.state for row in rig.deliveries(event_id)}
    assert states == {"paused": WAITING, "free": SUCCEEDED}
    assert rig.notes("paused") == []


def test_outcomes_are_written_once_the_database_is_back(
    rig: Rig, request: pytest.FixtureRequest
) -> None:
    """The handler has run; running it again for want of a record would be the wrong answer."""
    rig.handlers("""
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
    while not (HERE / "release").exists():
        time.sleep(0.01)
""")
    event_id = rig.store()
    with rig.worker() as broker:
        publish_deliveries(broker, rig.dispatch(event_id))
        wait_until(lambda: rig.notes("work"))
        if rig.database.dialect == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            server.stop()
            finish_and_fail_to_record(rig)
            server.start()
        else:
            with rig.database.write():
                finish_and_fail_to_record(rig)
        rig.wait_for(event_id, SUCCEEDED)

    assert len(rig.notes("work")) == 1


def finish_and_fail_to_record(rig: Rig) -> None:
    def retries() -> float:
        return float(metrics.RECORD_RETRIES._value.get())

    before = retries()
    (rig.folder / "release").touch()
    wait_until(lambda: retries() > before, describe="an outcome that could not be written")


def test_redis_going_away_in_the_middle_loses_nothing(rig: Rig, redis_server: RedisServer) -> None:
    rig.handlers("""
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
""")
    event_ids = [rig.store() for _ in range(50)]
    refs = rig.dispatch(*event_ids)

    with rig.worker() as broker:
        publish_deliveries(broker, refs)
        redis_server.restart()
        publish_deliveries(broker, refs)
        wait_until(lambda: all(rig.state(one) == SUCCEEDED for one in event_ids))

    assert len(rig.notes("work")) == 50


def test_a_worker_that_stops_gives_back_what_it_did_not_begin(rig: Rig) -> None:
    rig.handlers("""
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
    while not (HERE / "release").exists():
        time.sleep(0.01)
""")
    event_ids = [rig.store() for _ in range(20)]

    with rig.worker() as broker:
        publish_deliveries(broker, rig.dispatch(*event_ids))
        wait_until(lambda: rig.notes("work"))
        assert {rig.state(one) for one in event_ids} == {DeliveryState.RUNNING}
        release = threading.Timer(0.3, (rig.folder / "release").touch)
        release.start()
    release.join()

    rows = [rig.delivery(one) for one in event_ids]
    assert sorted(row.state for row in rows) == [SUCCEEDED] + [WAITING] * 19
    waiting = [row for row in rows if row.state == WAITING]
    assert {(row.starts, row.attempts, row.crashes) for row in waiting} == {(0, 0, 0)}
    assert rig.workers() == []


def test_a_worker_that_was_declared_dead_registers_again_and_works_on(rig: Rig) -> None:
    rig.handlers("""
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
""")
    with rig.worker() as broker:
        (before,) = rig.workers()
        workers.retire(rig.database, before)
        wait_until(rig.workers, timeout=8)
        event_id = rig.store()
        publish_events(broker, [event_id])
        rig.wait_for(event_id, SUCCEEDED)


def test_a_changed_file_is_in_force_within_seconds(sqlite_rig: Rig, sink: Sink) -> None:
    rig = sqlite_rig
    rig.config(DESTINATION.format(url=sink.url("/old"), timeout="5s"))
    with rig.worker() as broker:
        started = time.monotonic()
        rig.config(DESTINATION.format(url=sink.url("/new"), timeout="5s"))

        def arrived_at_the_new_one() -> bool:
            publish_events(broker, [rig.store()])
            return bool(sink.requests("/new"))

        wait_until(arrived_at_the_new_one, timeout=8)
        assert time.monotonic() - started < 8
