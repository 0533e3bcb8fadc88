"""Publishing behind the commit: in batches, never in anyone's way, and allowed to fail."""

import threading
from collections.abc import Sequence

from prometheus_client import REGISTRY

from ingest.errors import BrokerUnavailable
from ingest.publisher import Publisher
from tests.waiting import wait_until


def counted(queue: str, outcome: str) -> float:
    labels = {"queue": queue, "outcome": outcome}
    return REGISTRY.get_sample_value("hookkeeper_published_total", labels) or 0.0


class Broker:
    """Takes ids, or fails, or hangs, as the test says."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()

    def publish(self, ids: Sequence[str]) -> None:
        self.open.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(list(ids))


def test_what_came_while_the_broker_was_busy_goes_in_one_batch() -> None:
    broker = Broker()
    broker.open.clear()
    publisher = Publisher("batches", broker.publish)
    for number in range(100):
        publisher.offer([str(number)])
    publisher.start()
    broker.open.set()
    publisher.stop()
    assert [one for part in broker.taken for one in part] == [str(number) for number in range(100)]
    assert len(broker.taken) == 1
    assert counted("batches", "ok") == 100


def test_a_failure_is_counted_and_the_next_ids_are_published() -> None:
    broker = Broker()
    broker.error = BrokerUnavailable("away")
    publisher = Publisher("failing", broker.publish)
    publisher.start()
    publisher.offer(["lost to the scheduler"])
    wait_until(lambda: counted("failing", "failed") == 1, describe="the failure")
    broker.error = None
    publisher.offer(["published"])
    publisher.stop()
    assert broker.taken == [["published"]]


def test_a_mistake_of_ours_does_not_end_the_thread() -> None:
    broker = Broker()
    broker.error = ZeroDivisionError("a bug")
    publisher = Publisher("mistaken", broker.publish)
    publisher.start()
    publisher.offer(["a"])
    wait_until(lambda: counted("mistaken", "failed") == 1, describe="the failure")
    broker.error = None
    publisher.offer(["b"])
    publisher.stop()
    assert broker.taken == [["b"]]


def test_a_hanging_broker_costs_ids_not_memory_and_never_blocks() -> None:
    broker = Broker()
    broker.open.clear()
    publisher = Publisher("hanging", broker.publish, capacity=10)
    publisher.start()
    for number in range(1000):
        publisher.offer([str(number)])
    assert counted("hanging", "failed") >= 980
    broker.open.set()
    publisher.stop()
    assert sum(map(len, broker.taken)) + counted("hanging", "failed") == 1000
