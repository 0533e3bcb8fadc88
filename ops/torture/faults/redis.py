"""Redis is disposable: it is killed, emptied, filled, stopped, cut off and replaced."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.torture.cluster.proxy import Mode
from ops.torture.cluster.servers import freeze
from ops.torture.stage import Stage
from ops.torture.waiting import wait_until


@contextmanager
def kill(stage: Stage) -> Iterator[None]:
    """SIGKILL; it comes back empty."""
    stage.redis.kill()
    yield
    stage.redis.start()


@contextmanager
def flush(stage: Stage, *, times: int = 1) -> Iterator[None]:
    """FLUSHALL and SCRIPT FLUSH, again and again."""
    for _ in range(times):
        stage.redis.flush()
        stage.rest(stage.random.uniform(0.05, 0.8))
    yield


@contextmanager
def out_of_memory(stage: Stage) -> Iterator[None]:
    """Let it refuse every write."""
    stage.redis.call("CONFIG SET maxmemory-policy noeviction")
    stage.redis.call("CONFIG SET maxmemory 1")
    yield
    stage.redis.call("CONFIG SET maxmemory 0")


@contextmanager
def disk_full(stage: Stage) -> Iterator[None]:
    """Its append-only file cannot grow. It is started again once there is room."""
    assert stage.redis_disk is not None
    stage.redis_disk.fill()
    yield
    stage.redis_disk.clear()
    stage.redis.start()


@contextmanager
def stop(stage: Stage) -> Iterator[None]:
    """SIGSTOP: connections stay open and nobody answers."""
    freeze([stage.redis.pid], on=True)
    yield
    freeze([stage.redis.pid], on=False)


@contextmanager
def behind_proxy(stage: Stage, *, mode: Mode, roles: list[str]) -> Iterator[None]:
    """Cut some roles off from it, or hold what they say up."""
    proxies = [stage.broker_proxies[role] for role in roles]
    for proxy in proxies:
        proxy.become(mode)
    yield
    for proxy in proxies:
        proxy.become("pass")


@contextmanager
def failover(stage: Stage) -> Iterator[None]:
    """Kill the primary; a sentinel promotes the replica, and everyone is sent there."""
    assert stage.sentinel is not None
    assert stage.replica is not None
    sentinel, replica = stage.sentinel, stage.replica
    stage.redis.kill()
    wait_until(lambda: sentinel.chosen() == replica.port, 40, "a failover by the sentinel", 0.2)
    for proxy in stage.broker_proxies.values():
        proxy.point_at(replica.port)
    yield
