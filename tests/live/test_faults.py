"""Kill anything at any moment: nothing that was acknowledged is lost.

An outside log of every acknowledged id is compared with the store, with what the HTTP
destination received and with what the Python handler wrote down.
"""

import os
import signal
from collections.abc import Callable

import pytest

from ingest.store import ledger, queries
from tests.live.load import Load
from tests.pipeline import Pipeline
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.waiting import wait_until

pytestmark = pytest.mark.live

#: Work of a killed process must run again in 15 s; the rest is for two busy cores.
HEALED_WITHIN_SECONDS = 60


def kill_web(pipeline: Pipeline) -> None:
    os.kill(pipeline.web(), signal.SIGKILL)


def kill_scheduler(pipeline: Pipeline) -> None:
    os.kill(pipeline.scheduler(), signal.SIGKILL)


def kill_worker_parents(pipeline: Pipeline) -> None:
    for pid in pipeline.worker_parents():
        os.kill(pid, signal.SIGKILL)


def kill_worker_children(pipeline: Pipeline) -> None:
    for pid in pipeline.worker_children():
        os.kill(pid, signal.SIGKILL)


def delivered_ids(pipeline: Pipeline) -> set[str]:
    return {request.header("webhook-id") for request in pipeline.sink.requests("/sink")}


def stored_ids(pipeline: Pipeline, wanted: set[str]) -> set[str]:
    with pipeline.database() as database:
        return {row.id for row in queries.list_events(database, limit=1_000_000)} & wanted


def assert_nothing_lost(pipeline: Pipeline, acknowledged: set[str]) -> None:
    assert acknowledged, "the load must have been acknowledged at all"
    assert acknowledged - stored_ids(pipeline, acknowledged) == set()
    wait_until(
        lambda: acknowledged <= delivered_ids(pipeline),
        timeout=HEALED_WITHIN_SECONDS,
        describe="every acknowledged event at the HTTP destination",
    )
    wait_until(
        lambda: acknowledged <= pipeline.noted_ids("handled"),
        timeout=HEALED_WITHIN_SECONDS,
        describe="every acknowledged event at the Python handler",
    )

    def balanced() -> bool:
        with pipeline.database() as database:
            return not any(ledger.violations(database).values())

    wait_until(balanced, timeout=HEALED_WITHIN_SECONDS, describe="a ledger without violations")


def strike_under_load(pipeline: Pipeline, strike: Callable[[], None]) -> set[str]:
    """Post before, during and after the fault; return what was acknowledged."""
    with Load(pipeline) as load:
        wait_until(lambda: len(load.acknowledged) >= 50, timeout=30, describe="load")
        strike()
        before = len(load.acknowledged)
        wait_until(
            lambda: len(load.acknowledged) >= before + 50, timeout=60, describe="load goes on"
        )
    return load.acknowledged


@pytest.mark.parametrize(
    "kill",
    [kill_web, kill_scheduler, kill_worker_parents, kill_worker_children],
    ids=["web", "scheduler", "worker parents", "worker children"],
)
def test_a_killed_process_loses_nothing(
    pipeline: Pipeline, kill: Callable[[Pipeline], None]
) -> None:
    acknowledged = strike_under_load(pipeline, lambda: kill(pipeline))

    assert_nothing_lost(pipeline, acknowledged)
    wait_until(pipeline.is_ready, timeout=30, describe="everything is running again")


def test_redis_killed_and_restarted_loses_nothing_and_refuses_nothing(
    pipeline: Pipeline, redis_server: RedisServer
) -> None:
    with Load(pipeline) as load:
        wait_until(lambda: len(load.acknowledged) >= 20)
        redis_server.kill()
        refused, before = load.refused, len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) >= before + 50, timeout=30)
        assert load.refused == refused, "with Redis down every event is still accepted"
        redis_server.start()

    assert_nothing_lost(pipeline, load.acknowledged)


def test_redis_flushed_loses_nothing(pipeline: Pipeline, redis_server: RedisServer) -> None:
    acknowledged = strike_under_load(pipeline, redis_server.flush)

    assert_nothing_lost(pipeline, acknowledged)


def test_a_restarted_database_loses_nothing(
    pipeline: Pipeline, request: pytest.FixtureRequest
) -> None:
    """PostgreSQL stops at once, as after a crash. SQLite has no server: its file is locked
    by another process for longer than the receiver waits."""
    if pipeline.database_url.startswith("sqlite"):
        acknowledged = strike_under_load(pipeline, lambda: hold_the_lock(pipeline))
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        acknowledged = strike_under_load(pipeline, server.restart)

    assert_nothing_lost(pipeline, acknowledged)


def hold_the_lock(pipeline: Pipeline) -> None:
    with pipeline.database() as database, database.write():
        wait_until(
            lambda: pipeline.github(b"{}").status == 503,
            timeout=10,
            describe="503 while nothing can commit",
        )
