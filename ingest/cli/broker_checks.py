"""What ``doctor`` asks of the broker. Whatever it answers, no event is lost: Redis only wakes."""

from collections.abc import Iterator
from typing import Any

import redis

from ingest.cli.findings import Finding, fail, ok, warn
from ingest.config.settings import masked

_SECONDS = 2.0
_NAME = "broker"


def check_broker(url: str) -> Iterator[Finding]:
    """Whether the broker answers, and whether it may forget wake-ups on its own."""
    client = redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    try:
        memory: Any = client.info("memory")
        server: Any = client.info("server")
    except (redis.RedisError, OSError) as error:
        yield _unreachable(url, error)
        return
    finally:
        client.close()
    yield ok(_NAME, f"Redis {server.get('redis_version', '?')} answers at {masked(url)}")
    yield from _check_memory(memory)


def _unreachable(url: str, error: Exception) -> Finding:
    return fail(
        _NAME,
        f"{masked(url)} does not answer ({error}): events are accepted and kept, none is delivered",
        "Start it, or correct HOOKKEEPER_BROKER_URL; `hookkeeper up` brings its own.",
    )


def _check_memory(memory: dict[str, Any]) -> Iterator[Finding]:
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield warn(
            _NAME,
            f"its maxmemory-policy is {policy}: when full it drops wake-ups, which then come late",
            "CONFIG SET maxmemory-policy noeviction, or give Hookkeeper a Redis of its own.",
        )
    limit = int(memory.get("maxmemory", 0))
    used = int(memory.get("used_memory", 0))
    advice = "Raise its maxmemory, or look at what else it holds. Flushing it loses no event."
    if limit and used >= limit:
        full = "it is full and lets nobody write: events are accepted and kept, none is delivered"
        yield fail(_NAME, full, advice)
    elif limit and used > 0.9 * limit:
        yield warn(_NAME, "it is nearly full: once it is, nothing is delivered", advice)
