"""Whether a receiver published what it accepted, and room for it in a queue that nobody reads.

A queue holds so many messages at most (``ingest/queue.py``); beyond that publishing fails, at once
and for little CPU, and what is measured is no longer a receiver that publishes.
"""

import re
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from ingest.queue import DISPATCH

_SAMPLE = re.compile(
    rf'^hookkeeper_published_total\{{outcome="(\w+)",queue="{DISPATCH}"\}} (\S+)$', re.MULTILINE
)
#: At some 2,500 messages a second, the most that was seen, an eighth of what a queue holds.
_TRIM_SECONDS = 0.5
_QUEUE = f"hookkeeper:{DISPATCH}"


@dataclass(frozen=True, slots=True)
class Published:
    """How many events a receiver has handed to the broker, and how many it could not."""

    ok: int = 0
    failed: int = 0


def published(metrics_port: int) -> Published:
    """Ask a receiver. Raises OSError where it does not answer."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10) as answer:
        return parse(answer.read().decode())


def parse(metrics: str) -> Published:
    """Read what Prometheus would; nothing was published where the metric has no sample yet."""
    found = {outcome: round(float(value)) for outcome, value in _SAMPLE.findall(metrics)}
    return Published(found.get("ok", 0), found.get("failed", 0))


def audit_published(before: Published, after: Published, stored: int) -> None:
    """Compare what was published in a round with how many events were stored in it.

    Raises RuntimeError unless each of them was published.
    """
    failed, ok = after.failed - before.failed, after.ok - before.ok
    if failed or ok != stored:
        raise RuntimeError(f"{stored} events were stored, {ok} published, {failed} could not be")


@contextmanager
def trimming(broker_url: str) -> Iterator[None]:
    """Empty the queue of a receiver without a worker now and then, until the block ends.

    Raises at the end whatever went wrong in the thread that does it.
    """
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool, redis.Redis.from_url(broker_url) as client:
        emptying = pool.submit(_empty, client, ended)
        try:
            yield
        finally:
            ended.set()
        emptying.result()


def _empty(client: "redis.Redis", ended: threading.Event) -> None:
    while not ended.wait(_TRIM_SECONDS):
        client.unlink(_QUEUE, f"{_QUEUE}.msgs")
