"""Raw Dramatiq, as its documentation starts it: a Redis broker and an actor that does nothing.

``dramatiq ops.bench.noop_dramatiq`` consumes; ``enqueue`` fills the queue beforehand.
"""

import os
from uuid import uuid4

import dramatiq
from dramatiq.brokers.redis import RedisBroker

REDIS_VARIABLE = "BENCH_REDIS_URL"
QUEUE = "dramatiq:default"
_MESSAGES_A_ROUND_TRIP = 1_000

broker = RedisBroker(url=os.environ.get(REDIS_VARIABLE, "redis://127.0.0.1:6379/0"))  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated
dramatiq.set_broker(broker)


@dramatiq.actor
def nothing(number: int) -> None:
    """Do nothing with a number."""


def enqueue(broker: RedisBroker, count: int) -> None:
    """Put so many messages into the queue, many at a time: only consuming is measured."""
    for start in range(0, count, _MESSAGES_A_ROUND_TRIP):
        pipe = broker.client.pipeline()
        for number in range(start, min(count, start + _MESSAGES_A_ROUND_TRIP)):
            redis_id = str(uuid4())
            message = nothing.message(number).copy(options={"redis_message_id": redis_id})
            pipe.hset(f"{QUEUE}.msgs", redis_id, message.encode())
            pipe.rpush(QUEUE, redis_id)
        pipe.execute()


def unacknowledged(broker: RedisBroker) -> int:
    """Return how many messages are not done."""
    return int(broker.client.hlen(f"{QUEUE}.msgs"))
