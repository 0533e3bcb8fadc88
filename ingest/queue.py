"""The wire contract between the processes: queue names, messages of ids, and the broker.

Messages only wake workers; the database owns every retry, claim and outcome, so each loss here
costs latency and nothing else (design.md, "Why the database owns retries"). The broker is
dramatiq's for Redis with another consumer: the stock one sleeps up to a second when idle, strands
messages after a Redis hiccup or an undecodable message, and replays scripts (research/jobs.md §0,
§1.4: all reproduced). dramatiq is pinned to 2.2.* because the consumer it replaces is private.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import redis
import structlog
from dramatiq import Consumer, Message, MessageProxy, Middleware
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed, DecodeError
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingest.errors import BrokerUnavailable, ConfigError
from ingest.events import DeliveryRef, DestinationKind
from ingest.jobs.states import JobRef

logger = structlog.get_logger(__name__)

#: Actor names, and the queues they read. A handler's own queue is read by ``process`` too.
DISPATCH = "dispatch"
DELIVER = "deliver"
PROCESS = "process"
NOTIFY = "notify"
#: The actor of jobs; a job's own queue is read by it too.
JOB, JOBS = "job", "jobs"
#: What makes an attempt of a delivery: people are told by ``notify``.
ACTORS: Mapping[DestinationKind, str] = {
    **dict.fromkeys(DestinationKind, NOTIFY),
    DestinationKind.HTTP: DELIVER,
    DestinationKind.PYTHON: PROCESS,
}
OURS = frozenset({DISPATCH, JOB, *ACTORS.values()})
#: A message option: its one delivery shares no message, here or when it is published again.
ALONE = "alone"
#: In a worker's memory only: the messages that one was made of.
_JOINED = "joined"
#: The version of a message's fields; a message of another version is dropped, its rows come back.
VERSION = 1
EVENTS_A_MESSAGE = 100
DELIVERIES_A_MESSAGE = 100
#: What a queue holds at most, some 40 MB; the rest waits in the database, with a wake time. A Redis
#: that our own backlog has filled could not even be read: fetching writes too (measured).
MESSAGES_A_QUEUE = 10_000

_NAMESPACE = "hookkeeper"
_WAKE_SECONDS = 1  # an idle consumer looks again at least this often
_WAKE_TOKENS = 16  # more tokens than consumers are worth nothing
_FULL_WAIT_SECONDS = 0.005  # room appears within microseconds; dramatiq would back off to 1 s
_TROUBLE_WAIT_SECONDS = 0.5  # between two tries to reach a Redis that does not answer
_BEAT_SECONDS = 15.0  # a consumer that is full sends no command; 60 s without one counts as dead
_SOCKET_SECONDS = 5.0  # longer than the blocking pop
_CONNECT_SECONDS = 1.0
_OWED_LIMIT = 10_000
_PIPELINE_MESSAGES = 500


def build_broker(url: str, middleware: list[Middleware]) -> "WakeBroker":
    """Make the broker; nothing is connected yet. Raises ConfigError for a URL Redis cannot have."""
    try:
        pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=_SOCKET_SECONDS,
            socket_connect_timeout=_CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # replayed scripts deliver twice: research/jobs.md fact 7
            client_name=_NAMESPACE,
        )
    except ValueError as error:
        raise ConfigError(
            f"The broker's address is not one of Redis: {error}. Set HOOKKEEPER_BROKER_URL to "
            "redis://HOST:PORT/DB (rediss:// for TLS, unix:// for a socket)."
        ) from None
    return WakeBroker(client=redis.Redis(connection_pool=pool), middleware=middleware)


def publish_events(broker: "WakeBroker", ids: Sequence[str]) -> None:
    """Wake ``dispatch`` for stored events. Raises BrokerUnavailable; then ``wake_at`` serves."""
    parts = _parts(ids, EVENTS_A_MESSAGE)
    broker.enqueue_many([_message(DISPATCH, DISPATCH, part) for part in parts])


def publish_deliveries(broker: "WakeBroker", refs: Sequence[DeliveryRef]) -> None:
    """Wake the actors of waiting deliveries, one destination a message.

    A delivery that is to run alone has a message of its own. Raises BrokerUnavailable.
    """
    broker.enqueue_many(list(_delivery_messages(refs)))


def publish_jobs(broker: "WakeBroker", refs: Sequence[JobRef]) -> None:
    """Wake ``job`` for pending jobs, one a message. Raises BrokerUnavailable."""
    broker.enqueue_many([_message(JOB, ref.queue, [ref.id], ref.kind) for ref in refs])


def depth(broker: "WakeBroker", queue: str) -> int:
    """How many messages wait in ``queue``. Raises BrokerUnavailable."""
    try:
        return int(broker.client.llen(f"{broker.namespace}:{queue}"))
    except redis.RedisError as error:
        raise BrokerUnavailable(_no_broker(error)) from error


def _delivery_messages(refs: Iterable[DeliveryRef]) -> Iterator[Message[None]]:
    together: dict[tuple[str, str, str], list[str]] = {}
    for ref in refs:
        actor = ACTORS[ref.kind]
        if ref.alone:
            yield _message(actor, ref.queue, [ref.id], ref.destination).copy(options={ALONE: True})
        else:
            together.setdefault((actor, ref.queue, ref.destination), []).append(ref.id)
    for (actor, queue, destination), ids in together.items():
        for part in _parts(ids, DELIVERIES_A_MESSAGE):
            yield _message(actor, queue, part, destination)


def _message(
    actor: str, queue: str, ids: Sequence[str], destination: str | None = None
) -> Message[None]:
    fields = {"v": VERSION, "ids": list(ids), "destination": destination}
    return Message(queue_name=queue, actor_name=actor, args=(), kwargs=fields, options={})


def _parts(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


class WakeBroker(RedisBroker):
    """dramatiq's Redis broker, with messages published in one transaction and blocking consumers.

    ``stopping`` set: consumers fetch nothing more, so a process that stops takes no hostages.
    """

    def __init__(self, *, client: "redis.Redis", middleware: list[Middleware]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated
            client=client, middleware=middleware, namespace=_NAMESPACE
        )
        self.stopping = threading.Event()
        self._lengths: dict[str, int] = {}  # of each queue, as of our last message to it

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Read a queue. The ``.DQ`` queues exist in dramatiq only: nothing here is ever delayed."""
        if queue_name.endswith(".DQ"):
            return _IdleConsumer()
        return _WakeConsumer(self, queue_name, prefetch, timeout)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Enqueue one message. Raises BrokerUnavailable, and ValueError for a delay."""
        if delay is not None:
            raise ValueError("A delayed message waits in a worker's memory; use wake_at in SQL.")
        return self.enqueue_many([message])[0]

    def enqueue_many(self, messages: Sequence[Message[Any]]) -> list[Message[Any]]:
        """Enqueue messages, each with a token that wakes an idle consumer.

        Written without the broker's script: one round trip for hundreds of messages, and a
        process that only publishes leaves no heartbeat behind. Raises BrokerUnavailable; then
        the outcome is unknown, and a message that did arrive finds its rows claimed already.
        Raises it too for a queue that is full, once the messages of the others are sent.
        """
        sent = [message.copy(options={"redis_message_id": str(uuid4())}) for message in messages]
        names = {message.queue_name for message in messages}
        full = sorted(name for name in names if self._is_full(name))
        taken = [message for message in sent if message.queue_name not in full]
        for start in range(0, len(taken), _PIPELINE_MESSAGES):
            self._send(taken[start : start + _PIPELINE_MESSAGES])
        if full:
            raise BrokerUnavailable(
                f"The queue {', '.join(full)} holds {MESSAGES_A_QUEUE:,} messages already. Nothing "
                "is lost: the scheduler publishes the rest when there is room."
            )
        return sent

    def _is_full(self, queue_name: str) -> bool:
        if self._lengths.get(queue_name, 0) < MESSAGES_A_QUEUE:
            return False
        self._lengths[queue_name] = depth(self, queue_name)
        return self._lengths[queue_name] >= MESSAGES_A_QUEUE

    def _send(self, messages: Sequence[Message[Any]]) -> None:
        pipe = self.client.pipeline(transaction=True)
        for message in messages:
            self.emit_before("enqueue", message, None)
            queue = f"{self.namespace}:{message.queue_name}"
            redis_id = message.options["redis_message_id"]
            pipe.hset(f"{queue}.msgs", redis_id, message.encode())
            pipe.rpush(queue, redis_id)
        for queue_name in {message.queue_name for message in messages}:
            count = sum(message.queue_name == queue_name for message in messages)
            pipe.rpush(self.wake_key(queue_name), *["1"] * min(count, _WAKE_TOKENS))
            pipe.ltrim(self.wake_key(queue_name), 0, _WAKE_TOKENS - 1)
        try:
            answers = pipe.execute()
        except redis.RedisError as error:
            raise BrokerUnavailable(_no_broker(error)) from error
        for message, length in zip(messages, answers[1::2], strict=False):  # wake tokens follow
            self._lengths[message.queue_name] = length
            self.emit_after("enqueue", message, None)

    def wake_key(self, queue_name: str) -> str:
        """Name the list that an idle consumer of a queue blocks on."""
        return f"{self.namespace}:wake.{queue_name}"


class _IdleConsumer(Consumer):
    """Reads nothing: dramatiq starts one for each queue's unused delay queue."""

    def __next__(self) -> None:
        time.sleep(_WAKE_SECONDS)


class _WakeConsumer(_RedisConsumer):
    """Fetches when there is room, blocks on the wake list when there is nothing.

    Redis failing never ends it: dramatiq would wait 3 s before another consumer, and forget what
    this one holds. An acknowledgement that could not be sent is owed and sent later; meanwhile the
    message may run again elsewhere, where it finds its rows claimed or done.
    """

    broker: WakeBroker

    def __init__(self, broker: WakeBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq leaves it unannotated
            broker, queue_name, prefetch, timeout
        )
        self._owed: deque[str] = deque(maxlen=_OWED_LIMIT)
        self._in_trouble = False
        self._last_beat = 0.0

    def __next__(self) -> MessageProxy | None:
        try:
            return self._next()
        except redis.RedisError as error:
            if not self._in_trouble:
                logger.warning("queue.unreachable", queue=self.queue_name, error=str(error))
            self._in_trouble = True
            time.sleep(_TROUBLE_WAIT_SECONDS)
            return None

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge, now or once Redis answers again. Never raises: its thread has work to do."""
        self._done(message, self.broker.do_ack)

    def nack(self, message: MessageProxy) -> None:
        """Set aside a message that no actor takes. Never raises either."""
        self._done(message, self.broker.do_nack)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back what was fetched and not run. Raises ConnectionClosed."""
        try:
            if redis_ids := [id_ for message in messages for id_ in _redis_ids(message)]:
                self.broker.do_requeue(self.queue_name, *redis_ids)
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # the same

    def close(self) -> None:
        """Give back what was fetched and not handed over; dramatiq would strand it."""
        cached, self.message_cache = self.message_cache, []
        self.requeue([MessageProxy(message) for message in cached])

    def _next(self) -> MessageProxy | None:
        while self._owed:
            self.broker.do_ack(self.queue_name, self._owed[0])
            self._owed.popleft()
        if not self.message_cache:
            self._refill()
        if not self.message_cache:
            return None
        message = self.message_cache.pop(0)
        self.queued_message_ids.add(message.message_id)
        return MessageProxy(message)

    def _refill(self) -> None:
        room = self.prefetch - self.outstanding_message_count
        if room < (self.prefetch + 1) // 2 or self.broker.stopping.is_set():
            self._beat()
            time.sleep(_FULL_WAIT_SECONDS)
            return
        fetched = self.broker.do_fetch(self.queue_name, room)
        decoded = [self._decode(data) for data in fetched]
        self.message_cache = list(_joined(message for message in decoded if message is not None))
        if self._in_trouble:
            logger.info("queue.reachable", queue=self.queue_name)
            self._in_trouble = False
        if not fetched:
            self.broker.client.blpop([self.broker.wake_key(self.queue_name)], timeout=_WAKE_SECONDS)

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat > _BEAT_SECONDS:
            beats = f"{self.broker.namespace}:__heartbeats__"
            self.broker.client.zadd(beats, {self.broker.broker_id: int(time.time() * 1000)})
            self._last_beat = time.monotonic()

    def _done(self, message: MessageProxy, command: Any) -> None:
        for redis_id in _redis_ids(message):
            try:
                command(self.queue_name, redis_id)
            except redis.RedisError:
                self._owed.append(redis_id)
        self.queued_message_ids.discard(message.message_id)

    def _decode(self, data: bytes | None) -> Message[Any] | None:
        """Return a message that a worker thread can run, or None after dropping another."""
        try:
            message: Message[Any] | None = Message.decode(data) if data is not None else None
        except DecodeError:
            message = None
        if message is not None and self._readable(message):
            return message
        logger.warning("queue.message_dropped", queue=self.queue_name, size=len(data or b""))
        self._drop(data)
        return None

    def _readable(self, message: Message[Any]) -> bool:
        """Whether nothing in ``message`` can hurt a thread: a wrong queue name would end it."""
        whole = (
            message.queue_name == self.queue_name
            and message.actor_name in self.broker.actors
            and isinstance(message.message_id, str)
            and all(isinstance(part, dict) for part in (message.kwargs, message.options))
            and isinstance(message.options.get("redis_message_id"), str)
            and "eta" not in message.options
        )
        if not whole or message.actor_name not in OURS:
            return whole
        ids = message.kwargs.get("ids")
        return (
            message.kwargs.get("v") == VERSION
            and message.kwargs.keys() == {"v", "ids", "destination"}
            and isinstance(ids, list)
            and all(isinstance(one, str) for one in ids)
        )

    def _drop(self, data: bytes | None) -> None:
        """Forget an unreadable message for good; its id is known only through what was fetched."""
        held = f"{self.broker.namespace}:__acks__.{self.broker.broker_id}.{self.queue_name}"
        redis_ids = list(self.broker.client.smembers(held))
        if not redis_ids:
            return
        stored = self.broker.client.hmget(
            f"{self.broker.namespace}:{self.queue_name}.msgs", redis_ids
        )
        for redis_id, value in zip(redis_ids, stored, strict=True):
            if value == data:
                self.broker.do_ack(self.queue_name, redis_id)


def _joined(messages: Iterable[Message[Any]]) -> Iterator[Message[Any]]:
    """Make one message of neighbours that say the same of few ids each.

    A receiver that is not overloaded publishes a few ids at a time. Once they pile up here, each
    message still costs three transactions, so they are taken together.
    """
    last: Message[Any] | None = None
    for message in messages:
        if last is not None and _share(last, message):
            ids = [*last.kwargs["ids"], *message.kwargs["ids"]]
            last = last.copy(
                kwargs={**last.kwargs, "ids": ids},
                options={_JOINED: [*_redis_ids(last), *_redis_ids(message)]},
            )
            continue
        if last is not None:
            yield last
        last = message
    if last is not None:
        yield last


def _share(one: Message[Any], other: Message[Any]) -> bool:
    """Whether two messages may be run as one: a suspect's never is."""
    return (
        one.actor_name == other.actor_name
        and one.actor_name in OURS - {JOB}  # a job takes long: it has a thread for itself
        and one.kwargs["destination"] == other.kwargs["destination"]
        and not (one.options.get(ALONE) or other.options.get(ALONE))
        and len(one.kwargs["ids"]) + len(other.kwargs["ids"]) <= DELIVERIES_A_MESSAGE
    )


def _redis_ids(message: Message[Any] | MessageProxy) -> list[str]:
    """Name what is to be acknowledged for a message: itself, or all that it was made of."""
    return list(message.options.get(_JOINED) or [message.options["redis_message_id"]])


def _no_broker(error: Exception) -> str:
    return (
        f"Redis did not take the message ({type(error).__name__}: {error}). Nothing is lost: the "
        "scheduler publishes it again. Check that Redis runs and HOOKKEEPER_BROKER_URL names it."
    )
