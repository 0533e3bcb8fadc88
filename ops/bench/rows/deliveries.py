"""How many HTTP deliveries a second one worker makes, against httpx that only posts.

Ours claims each delivery, checks the address, signs, posts, records the attempt and the new state
durably, logs and counts. The other side is one process with an AsyncClient, as many requests at a
time as ours had connections, with the same headers and bodies, to the same destination.
"""

import hashlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uuid_utils import uuid7

from ingest.events import Arrival, DeliveryRef, DestinationKind, Target
from ingest.header_pairs import headers_text
from ingest.queue import DELIVER, WakeBroker, build_broker, publish_deliveries
from ingest.store import Database, dispatch, open_database
from ingest.store.accept import accept
from ops.bench import request
from ops.bench.backlog import Backlog, reading
from ops.bench.figures import Row, Side, compare, ratio_at_least
from ops.bench.ground import KINDS, Ground, Kind, Server
from ops.bench.hookkeeper import CONFIG, ROOT
from ops.bench.processes import Process
from ops.bench.rows.accept import spelled
from ops.bench.spending import Meter, Spending

TARGET = ratio_at_least(0.6)
REASON = "ours claims, signs, records and logs beside posting, in processes that share the cores"
COMMANDS = ("worker", "scheduler")
DELIVERIES_A_SECOND = 1_000  # of the round's nominal length: what ours is given to do
BEST_AT_A_TIME = 10  # where httpx 0.28 is fastest: its pool looks at all connections each time
_ROUTE = """
[destinations.sink]
url = "{url}"
secret = "file:secret"
allow = ["127.0.0.0/8"]
{limit}

[[routes]]
source = "github"
to = ["sink"]
"""
_TARGETS = (Target("sink", DestinationKind.HTTP, DELIVER),)
_EVENTS_A_TRANSACTION = 200
_GIVE_UP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Ours:
    """A worker that runs, and what a round of it needs."""

    ground: Ground
    database: Database
    backlog: Backlog
    broker: WakeBroker
    sink: Server
    roots: Sequence[int]

    def deliver(self, count: int) -> tuple[Side, int]:
        """Let the worker make so many deliveries; also say how many connections it opened.

        Raises RuntimeError unless each of them is recorded as one successful attempt.
        """
        refs = _dispatched(self.database, count)
        recorded = self._recorded()
        seen(self.sink)
        started, meter = time.monotonic(), Meter(self.roots)
        publish_deliveries(self.broker, refs)
        self.ground.wait_until(self.backlog.is_empty, "all deliveries", _GIVE_UP_SECONDS)
        taken, spent = time.monotonic() - started, meter.read()
        side = Side(count, taken, spent.total, spending=spent)
        told = seen(self.sink)
        if not told["requests"] == self._recorded() - recorded == count:
            raise RuntimeError(
                f"{count} deliveries, but {told['requests']} requests and "
                f"{self._recorded() - recorded} successful attempts"
            )
        return side, told["connections"]

    def _recorded(self) -> int:
        return self.backlog.count("attempts", "outcome = 'succeeded' AND status = 200")


def measure(ground: Ground) -> list[Row]:
    """Return two rows for each database: as shipped, and at the concurrency that suits httpx."""
    return [_on(ground, kind, limit) for kind in KINDS for limit in (None, BEST_AT_A_TIME)]


def _on(ground: Ground, kind: Kind, limit: int | None) -> Row:
    with (
        ground.database(kind) as database,
        ground.redis() as redis,
        _sink(ground) as sink,
        ground.hookkeeper(
            *(database.url, redis.url), commands=COMMANDS, config=_config(sink.url, limit)
        ) as running,
        reading(database.url) as backlog,
    ):
        roots = [*running.roots, *database.roots, *redis.roots]
        store, broker = open_database(database.url), build_broker(redis.url, [])
        try:
            return _row(ground, kind, limit, Ours(ground, store, backlog, broker, sink, roots))
        finally:
            broker.client.close()
            store.close()


def _config(url: str, limit: int | None) -> str:
    """Deliver everything to a URL. ``limit``: of deliveries at a time; None: as shipped."""
    return CONFIG + _ROUTE.format(url=url, limit="" if limit is None else f"concurrency = {limit}")


def _row(ground: Ground, kind: Kind, limit: int | None, ours: Ours) -> Row:
    count = round(DELIVERIES_A_SECOND * ground.options.seconds)
    _, connections = ours.deliver(count)  # warms up, too
    at_a_time = limit or connections
    pairs = ground.pairs(
        lambda: ours.deliver(count)[0], lambda: _httpx(ground, ours.sink, at_a_time)
    )
    name = f"deliveries.{kind}" + (f".{limit}" if limit else "")
    ground.tell(f"{name}, {at_a_time} at a time: {spelled(pairs)}")
    return compare(
        *(name, "deliveries/s", pairs, TARGET),
        f"an httpx.AsyncClient, {at_a_time} requests at a time",
        reason=REASON,
        note=f"one worker and a scheduler, {connections} connections",
    )


def seen(sink: Server) -> dict[str, int]:
    """Ask the destination what came since the last question."""
    connection = http.client.HTTPConnection(sink.url.split("/")[2], timeout=10)
    try:
        connection.request("GET", "/")
        answer: dict[str, int] = json.load(connection.getresponse())
        return answer
    finally:
        connection.close()


@contextmanager
def _sink(ground: Ground) -> Iterator[Server]:
    port = ground.free_port()
    server = Server(f"http://127.0.0.1:{port}/in", ())
    command = [sys.executable, "-m", "ops.bench.sink", str(port)]
    with Process(ground.guard, command, log=ground.home / "sink.log", folder=ROOT):
        ground.wait_until(lambda: _answers(server), "the destination to answer")
        yield server


def _answers(sink: Server) -> bool:
    try:
        return "requests" in seen(sink)
    except OSError:
        return False


def _httpx(ground: Ground, sink: Server, at_a_time: int) -> Side:
    """One round of httpx, which warms up by itself."""
    body = Path(ground.home / "body")
    body.write_bytes(request.github_event().body)
    words = [sink.url, str(at_a_time), str(ground.options.seconds), str(body)]
    meter = Meter(())
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench.httpx_loop", *words],
        cwd=ROOT,
        input=json.dumps(_HEADERS),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    spent = Spending({"httpx": found["cpu_seconds"]}, meter.read().busy)
    return Side(found["requests"], found["seconds"], spent.total, spending=spent)


#: What ours sends with each delivery; other ids and another signature of the same length.
_HEADERS = {
    "user-agent": "Hookkeeper/0.0.0",
    "accept-encoding": "identity",
    "webhook-id": "01a20926-567a-7716-bfcb-7cebd8d6b043",
    "webhook-timestamp": "1700000000",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    "content-type": "application/json",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-bfcb7cebd8d6b043-01",
}


def _dispatched(database: Database, count: int) -> list[DeliveryRef]:
    """Store events and route each to the destination, as receiver and dispatch do."""
    refs: list[DeliveryRef] = []
    while len(refs) < count:
        arrivals = [arrival() for _ in range(min(_EVENTS_A_TRANSACTION, count - len(refs)))]
        accept(database, arrivals)
        events = dispatch.undispatched(database, [one.event_id for one in arrivals])
        refs += dispatch.dispatch(database, [(event, _TARGETS) for event in events])
    return refs


def arrival() -> Arrival:
    """Return an event as the receiver hands it over, with an id of its own."""
    event, event_id = request.github_event(), str(uuid7())
    return Arrival(
        event_id=event_id,
        source="github",
        type=event.name,
        provider_event_id=event_id,
        received_at=time.time_ns() // 1_000_000,
        headers=headers_text(tuple(request.headers(event, event_id).items())),
        query="",
        content_type="application/json",
        body=event.body,
        body_sha256=hashlib.sha256(event.body).digest(),
        trace_id=event_id.replace("-", ""),
        secret_name="file:secret",
        type_signed=False,
        dedupe_key=None,
        dedupe_for_ms=None,
    )
