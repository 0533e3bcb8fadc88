"""The wire between the processes, on a real Redis."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Message, Worker

from ingest.errors import BrokerUnavailable, ConfigError
from ingest.events import DeliveryRef, DestinationKind
from ingest.queue import (
    ALONE,
    DELIVER,
    DISPATCH,
    PROCESS,
    WakeBroker,
    build_broker,
    depth,
    publish_deliveries,
    publish_events,
)
from tests.services.redis import RedisServer
from tests.waiting import wait_until

Run = tuple[str, list[str]]


@pytest.fixture
def broker(redis_url: str) -> Iterator[WakeBroker]:
    with closing(build_broker(redis_url, [])) as built:
        yield built


@contextmanager
def closing(broker: WakeBroker) -> Iterator[WakeBroker]:
    yield broker
    broker.client.close()
    broker.client.connection_pool.disconnect()


@pytest.fixture
def runs() -> list[Run]:
    return []


@pytest.fixture
def declared(broker: WakeBroker, runs: list[Run]) -> WakeBroker:
    """The three actors, which only note what they were given."""

    def actor_for(name: str) -> None:
        @dramatiq.actor(broker=broker, actor_name=name, queue_name=name)
        def note(*, ids: list[str], destination: str | None, **_others: object) -> None:
            runs.append((destination or name, ids))

    for name in (DISPATCH, DELIVER, PROCESS):
        actor_for(name)
    return broker


@contextmanager
def consuming(broker: WakeBroker, threads: int = 2) -> Iterator[Worker]:
    worker = Worker(broker, worker_threads=threads, worker_timeout=100)
    worker.start()
    try:
        yield worker
    finally:
        broker.stopping.set()
        worker.stop(timeout=10_000)
        broker.stopping.clear()


def ref(
    number: int, destination: str = "billing", *, alone: bool = False, queue: str = DELIVER
) -> DeliveryRef:
    kind = DestinationKind.HTTP if queue == DELIVER else DestinationKind.PYTHON
    return DeliveryRef(f"id-{number}", destination, kind, queue, alone)


def waiting(broker: WakeBroker, queue: str) -> list[Message[None]]:
    """The messages of a queue, read behind the broker's back."""
    client: Any = broker.client  # redis-py's answers are unions of every mode it has
    data = client.hgetall(f"{broker.namespace}:{queue}.msgs")
    order = client.lrange(f"{broker.namespace}:{queue}", 0, -1)
    return [Message.decode(data[redis_id]) for redis_id in order]


def held(broker: WakeBroker, queue: str) -> int:
    """How many fetched messages of this broker are not acknowledged."""
    return int(broker.client.scard(f"{broker.namespace}:__acks__.{broker.broker_id}.{queue}"))


# -- publishing -----------------------------------------------------------------------------


def test_deliveries_of_one_destination_share_messages_of_at_most_100(broker: WakeBroker) -> None:
    refs = [ref(number) for number in range(245)] + [ref(999, "audit")]

    publish_deliveries(broker, refs)

    sizes: dict[str, list[int]] = defaultdict(list)
    for message in waiting(broker, DELIVER):
        sizes[message.kwargs["destination"]].append(len(message.kwargs["ids"]))
    assert sizes == {"billing": [100, 100, 45], "audit": [1]}


def test_a_suspect_has_a_message_of_its_own_and_says_so(broker: WakeBroker) -> None:
    publish_deliveries(broker, [ref(1), ref(2, alone=True), ref(3)])

    found = [
        (message.kwargs["ids"], bool(message.options.get(ALONE)))
        for message in waiting(broker, DELIVER)
    ]
    assert sorted(found) == [(["id-1", "id-3"], False), (["id-2"], True)]


def test_a_handler_with_its_own_queue_is_run_by_process(broker: WakeBroker) -> None:
    publish_deliveries(broker, [ref(1, "slow", queue="slow")])

    assert [message.actor_name for message in waiting(broker, "slow")] == [PROCESS]
    assert depth(broker, "slow") == 1


def test_events_are_published_in_hundreds(broker: WakeBroker) -> None:
    publish_events(broker, [str(number) for number in range(250)])

    assert [len(message.kwargs["ids"]) for message in waiting(broker, DISPATCH)] == [100, 100, 50]


def test_publishing_leaves_no_heartbeat_behind(broker: WakeBroker) -> None:
    """A heartbeat would make every short-lived publisher a dead worker to be cleaned up."""
    publish_events(broker, ["a"])

    assert broker.client.zcard(f"{broker.namespace}:__heartbeats__") == 0


def test_wake_tokens_never_pile_up(broker: WakeBroker) -> None:
    for _ in range(50):
        publish_events(broker, ["a"])

    assert broker.client.llen(broker.wake_key(DISPATCH)) == 16


def test_a_broker_that_is_away_is_named_and_costs_nothing(redis_server: RedisServer) -> None:
    redis_server.kill()
    with closing(build_broker(redis_server.url, [])) as broker:
        with pytest.raises(BrokerUnavailable, match="Nothing is lost"):
            publish_events(broker, ["a"])
        with pytest.raises(BrokerUnavailable):
            depth(broker, DISPATCH)


def test_a_full_queue_takes_no_more_and_the_others_do(
    broker: WakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis full of our own messages could not even be read: fetching writes too."""
    monkeypatch.setattr("ingest.queue.MESSAGES_A_QUEUE", 2)
    publish_deliveries(broker, [ref(number) for number in range(200)])

    with pytest.raises(BrokerUnavailable, match="deliver holds"):
        publish_deliveries(broker, [ref(200), ref(201, queue=PROCESS)])
    assert (depth(broker, DELIVER), depth(broker, PROCESS)) == (2, 1)

    broker.client.delete(f"{broker.namespace}:{DELIVER}")
    publish_deliveries(broker, [ref(200)])
    assert depth(broker, DELIVER) == 1, "and there is room again"


def test_nothing_is_ever_delayed(broker: WakeBroker) -> None:
    message: Message[None] = Message(
        queue_name=DISPATCH, actor_name=DISPATCH, args=(), kwargs={}, options={}
    )

    with pytest.raises(ValueError, match="wake_at"):
        broker.enqueue(message, delay=1_000)


def test_an_address_that_is_not_one_of_redis_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="HOOKKEEPER_BROKER_URL"):
        build_broker("amqp://localhost", [])


# -- consuming ------------------------------------------------------------------------------


def test_an_idle_consumer_is_woken_at_once(declared: WakeBroker, runs: list[Run]) -> None:
    """Stock dramatiq sleeps up to a second; here the median of ten is far below its poll."""
    delays = []
    with consuming(declared):
        wait_until(lambda: blocked_clients(declared) == 3, describe="idle consumers")
        for number in range(10):
            wait_until(lambda: blocked_clients(declared) == 3)
            started = time.monotonic()
            publish_events(declared, [str(number)])
            wait_until(lambda: len(runs) == number + 1)  # noqa: B023 - called before it changes
            delays.append(time.monotonic() - started)

    assert sorted(delays)[5] < 0.2


def test_small_messages_that_pile_up_are_run_together_and_all_acknowledged(
    declared: WakeBroker, runs: list[Run]
) -> None:
    """One by one, each would cost its own transactions."""
    for number in range(40):
        publish_deliveries(declared, [ref(number)])

    with consuming(declared, threads=8):
        wait_until(lambda: sum(len(ids) for _, ids in runs) == 40)
        wait_until(lambda: held(declared, DELIVER) == 0)

    assert len(runs) < 20
    assert waiting(declared, DELIVER) == []


def test_other_destinations_and_suspects_are_not_run_together(
    declared: WakeBroker, runs: list[Run]
) -> None:
    publish_deliveries(declared, [ref(1), ref(2, alone=True), ref(3, alone=True)])
    publish_deliveries(declared, [ref(4, "audit")])
    publish_deliveries(declared, [ref(5, "audit")])

    with consuming(declared, threads=8):
        wait_until(lambda: sum(len(ids) for _, ids in runs) == 5)

    assert sorted(runs) == [
        ("audit", ["id-4", "id-5"]),
        ("billing", ["id-1"]),
        ("billing", ["id-2"]),
        ("billing", ["id-3"]),
    ]


def blocked_clients(broker: WakeBroker) -> int:
    return int(broker.client.info("clients")["blocked_clients"])


def test_everything_that_was_published_is_consumed_and_acknowledged(
    declared: WakeBroker, runs: list[Run]
) -> None:
    with consuming(declared):
        for start in range(0, 2_000, 100):
            publish_deliveries(declared, [ref(n) for n in range(start, start + 100)])
        wait_until(lambda: sum(len(ids) for _, ids in runs) == 2_000)
        wait_until(lambda: held(declared, DELIVER) == 0)

    assert {id_ for _, ids in runs for id_ in ids} == {f"id-{n}" for n in range(2_000)}
    assert waiting(declared, DELIVER) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff not json",
        b"[]",
        b'{"queue_name": "dispatch"}',
        Message("dispatch", "gone", (), {}, {"redis_message_id": "bad"}).encode(),
        Message("elsewhere", "dispatch", (), {}, {"redis_message_id": "bad"}).encode(),
        Message("dispatch", "dispatch", (), {"v": 2}, {"redis_message_id": "bad"}).encode(),
        Message("dispatch", "dispatch", (), {}, {}).encode(),
        Message("dispatch", "dispatch", (), {}, {"redis_message_id": "bad", "eta": 1}).encode(),
        None,
    ],
    ids=["bytes", "list", "fields", "actor", "queue", "version", "id", "delayed", "no data"],
)
def test_a_message_that_cannot_be_read_is_dropped_and_strands_nothing(
    declared: WakeBroker, runs: list[Run], garbage: bytes | None
) -> None:
    publish_events(declared, ["before"])
    plant(declared, garbage)
    publish_events(declared, ["after"])

    with consuming(declared) as worker:
        wait_until(lambda: [id_ for _, ids in runs for id_ in ids] == ["before", "after"])
        wait_until(lambda: held(declared, DISPATCH) == 0, describe="nothing left behind")
        assert all(thread.is_alive() for thread in worker.workers)
    assert declared.client.hlen(f"{declared.namespace}:{DISPATCH}.msgs") == 0


def plant(broker: WakeBroker, data: bytes | None) -> None:
    if data is not None:
        broker.client.hset(f"{broker.namespace}:{DISPATCH}.msgs", "bad", data)
    broker.client.rpush(f"{broker.namespace}:{DISPATCH}", "bad")


@pytest.mark.parametrize("harm", ["flush", "restart"])
def test_consumers_work_on_after_redis_lost_everything(
    declared: WakeBroker, runs: list[Run], redis_server: RedisServer, harm: str
) -> None:
    with consuming(declared) as worker:
        publish_events(declared, ["before"])
        wait_until(lambda: len(runs) == 1)

        getattr(redis_server, harm)()

        publish_until_taken(declared, runs, "after")
        assert all(thread.is_alive() for thread in worker.consumers.values())


def test_an_acknowledgement_that_redis_did_not_hear_is_sent_later(
    declared: WakeBroker, redis_server: RedisServer
) -> None:
    """Stock dramatiq blocks the worker thread for 5 s at a time until Redis is back."""
    running, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work(*, ids: list[str], **_others: object) -> None:
        running.set()
        if ids == ["slow"]:
            go_on.wait(10)
        done.set()

    declared.actors[PROCESS].fn = work
    with consuming(declared, threads=1):
        publish_deliveries(declared, [DeliveryRef("slow", "h", DestinationKind.PYTHON, PROCESS)])
        assert running.wait(5)
        redis_server.kill()
        go_on.set()
        assert done.wait(5)
        redis_server.start()
        done.clear()

        runs: list[Run] = []
        again = DeliveryRef("again", "h", DestinationKind.PYTHON, PROCESS)
        started = time.monotonic()
        wait_until(lambda: published(declared, again) and done.wait(0.2))
        assert time.monotonic() - started < 3, "no thread was asleep over the lost answer"
        assert runs == []


def published(broker: WakeBroker, one: DeliveryRef) -> bool:
    try:
        publish_deliveries(broker, [one])
    except BrokerUnavailable:
        return False
    return True


def publish_until_taken(broker: WakeBroker, runs: list[Run], id_: str) -> None:
    def taken() -> bool:
        try:
            publish_events(broker, [id_])
        except BrokerUnavailable:
            return False
        return any(id_ in ids for _, ids in runs)

    wait_until(taken, timeout=5, describe="consumers that have found Redis again")


def test_a_worker_that_stops_gives_back_what_it_had_fetched(declared: WakeBroker) -> None:
    go_on = threading.Event()

    def work(**_fields: object) -> None:
        go_on.wait(10)

    declared.actors[DISPATCH].fn = work
    worker = Worker(declared, worker_threads=1, worker_timeout=100)
    worker.start()
    publish_events(declared, [str(n) for n in range(1_000)])
    wait_until(lambda: held(declared, DISPATCH) == worker.queue_prefetch)

    stopper = threading.Thread(target=worker.stop)
    declared.stopping.set()
    stopper.start()
    go_on.set()
    stopper.join()

    assert held(declared, DISPATCH) == 0
    assert depth(declared, DISPATCH) >= 8


def test_a_worker_that_is_busy_for_long_is_not_taken_for_dead(
    declared: WakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full consumer fetches nothing, and fetching is what keeps dramatiq's heartbeat alive."""
    go_on = threading.Event()

    def work(**_fields: object) -> None:
        go_on.wait(10)

    declared.actors[DISPATCH].fn = work
    monkeypatch.setattr("ingest.queue._BEAT_SECONDS", 0.05)
    with consuming(declared, threads=1) as worker:
        publish_events(declared, [str(n) for n in range(1_000)])
        wait_until(lambda: held(declared, DISPATCH) == worker.queue_prefetch)
        beats = watch(lambda: heartbeat(declared))
        wait_until(lambda: len(beats()) > 2, describe="a heartbeat that moves on")
        go_on.set()


def heartbeat(broker: WakeBroker) -> float:
    return float(broker.client.zscore(f"{broker.namespace}:__heartbeats__", broker.broker_id) or 0)


def watch(read: Callable[[], float]) -> Callable[[], set[float]]:
    """Collect the different values that something takes while it is asked for."""
    seen: set[float] = set()

    def look() -> set[float]:
        seen.add(read())
        return seen

    return look


def test_scripts_that_redis_forgot_are_loaded_again(
    declared: WakeBroker, runs: list[Run], redis_url: str
) -> None:
    with consuming(declared), redis.Redis.from_url(redis_url) as client:
        publish_events(declared, ["a"])
        wait_until(lambda: len(runs) == 1)
        client.script_flush()
        publish_events(declared, ["b"])
        wait_until(lambda: len(runs) == 2)
