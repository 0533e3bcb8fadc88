"""Real worker and scheduler processes: how they start, refuse, stop and die."""

import os
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from ingest.events import DeliveryState
from ingest.queue import build_broker, publish_deliveries
from ingest.store import ledger
from tests.actors.rig import Rig
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer
from tests.waiting import wait_until

SUCCEEDED = DeliveryState.SUCCEEDED


def publish(rig: Rig, *event_ids: str) -> None:
    """Route events and publish their deliveries, as dispatch does."""
    broker = build_broker(rig.environ["HOOKKEEPER_BROKER_URL"], [])
    publish_deliveries(broker, rig.dispatch(*event_ids))
    broker.client.connection_pool.disconnect()


def ended(process: "subprocess.Popen[bytes]", within: float = 20.0) -> int:
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        raise AssertionError("the process did not end") from None


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# -- starting -------------------------------------------------------------------------------


def test_bare_dramatiq_works_in_an_empty_folder(sqlite_rig: Rig) -> None:
    """No configuration, no database yet: it makes the embedded one and waits for work."""
    rig = sqlite_rig
    del rig.environ["HOOKKEEPER_DATABASE_URL"]

    process = rig.dramatiq()

    database = sqlite3.connect(rig.folder / "data" / "hookkeeper.db")
    assert database.execute("select count(*) from workers").fetchone() == (1,)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 0
    assert database.execute("select count(*) from workers").fetchone() == (0,)
    database.close()


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("[[nonsense", "hookkeeper.toml"),
        ('handlers = ["nowhere"]', "nowhere"),
        ('[destinations.x]\nurl = "https://x.example"\nretries = 3', "retries"),
    ],
)
def test_a_configuration_that_is_wrong_ends_the_worker_with_its_reason(
    sqlite_rig: Rig, config: str, complaint: str
) -> None:
    (sqlite_rig.folder / "hookkeeper.toml").write_text(config)

    process = sqlite_rig.start("dramatiq", "actors", "--processes", "1")

    assert ended(process) != 0
    assert "The worker does not start" in sqlite_rig.output()
    assert complaint in sqlite_rig.output()
    assert "Traceback" not in sqlite_rig.output()


def test_a_setting_that_is_unknown_ends_the_worker_with_its_reason(sqlite_rig: Rig) -> None:
    wrong = {"HOOKKEEPER_THREAD": "4"}

    process = sqlite_rig.start("dramatiq", "actors", "--processes", "1", environ=wrong)

    assert ended(process) != 0
    assert "HOOKKEEPER_THREAD" in sqlite_rig.output()


@pytest.mark.parametrize("command", [("dramatiq", "actors", "-p", "1"), ("actors.scheduler",)])
def test_a_schema_that_is_not_ours_is_refused_and_left_alone(
    sqlite_rig: Rig, command: tuple[str, ...]
) -> None:
    path = sqlite_rig.folder / "old.db"
    with sqlite3.connect(path) as database:
        database.execute("create table alembic_version (version_num text)")
        database.execute("insert into alembic_version values ('from another time')")
    database.close()

    process = sqlite_rig.start(*command, environ={"HOOKKEEPER_DATABASE_URL": f"sqlite:///{path}"})

    assert ended(process) != 0
    assert "hookkeeper migrate" in sqlite_rig.output()


def test_a_worker_waits_for_a_database_that_is_away(
    rig: Rig, request: pytest.FixtureRequest
) -> None:
    if rig.database.dialect == "sqlite":
        with rig.database.write():  # as long as another process holds the lock
            process = rig.start("dramatiq", "actors", "--processes", "1", "--threads", "2")
            wait_until(lambda: "worker.waits_for_database" in rig.output(), timeout=30)
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.stop()
        process = rig.start("dramatiq", "actors", "--processes", "1", "--threads", "2")
        wait_until(lambda: "worker.waits_for_database" in rig.output(), timeout=30)
        server.start()

    wait_until(lambda: "worker.started" in rig.output(), timeout=30)
    assert process.poll() is None


#: dramatiq's master takes no signal until its workers have booted, or this time is over.
FORK_TIMEOUT = ("--worker-fork-timeout", "500")


@pytest.mark.parametrize(
    "command", [("dramatiq", "actors", "-p", "1", *FORK_TIMEOUT), ("actors.scheduler",)]
)
def test_waiting_for_a_database_can_be_stopped(sqlite_rig: Rig, command: tuple[str, ...]) -> None:
    nobody = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    process = sqlite_rig.start(*command, environ={"HOOKKEEPER_DATABASE_URL": nobody})
    wait_until(lambda: "waits_for_database" in sqlite_rig.output(), timeout=30)

    process.send_signal(signal.SIGTERM)

    assert ended(process) == 0


def test_a_worker_starts_without_redis(sqlite_rig: Rig) -> None:
    sqlite_rig.environ["HOOKKEEPER_BROKER_URL"] = f"redis://127.0.0.1:{free_port()}/0"

    process = sqlite_rig.dramatiq()

    wait_until(lambda: "queue.unreachable" in sqlite_rig.output())
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 0


def test_workers_share_one_metrics_port(sqlite_rig: Rig) -> None:
    sqlite_rig.dramatiq()
    sqlite_rig.dramatiq()

    port = int(sqlite_rig.environ["HOOKKEEPER_METRICS_PORT"])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.0 200")


# -- stopping and dying ---------------------------------------------------------------------

WORK = """
@on("github", name="work", time_limit=120)
def work(event: Event) -> None:
    note("started", event)
    while not (HERE / "release").exists():
        time.sleep(0.02)
    note("done", event)
"""


def test_sigterm_lets_work_finish_and_leaves_no_lease(rig: Rig) -> None:
    rig.handlers(WORK)
    process = rig.dramatiq()
    event_id = rig.store()
    publish(rig, event_id)
    wait_until(lambda: rig.notes("started"))

    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Shutting down" in rig.output())
    (rig.folder / "release").touch()

    assert ended(process) == 0
    assert (rig.state(event_id), rig.workers()) == (SUCCEEDED, [])


def test_a_second_sigterm_does_not_hang(sqlite_rig: Rig) -> None:
    """Stock dramatiq waits for its event loop thread for ever (research/jobs.md §1.1)."""
    sqlite_rig.handlers(WORK)
    process = sqlite_rig.dramatiq()
    publish(sqlite_rig, sqlite_rig.store())
    wait_until(lambda: sqlite_rig.notes("started"))

    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Shutting down" in sqlite_rig.output())
    process.send_signal(signal.SIGTERM)

    assert ended(process, within=10) != 0


def test_a_worker_leaves_when_its_master_is_killed(sqlite_rig: Rig) -> None:
    process = sqlite_rig.dramatiq()
    workers = [pid for pid in children_of(process.pid) if alive(pid)]

    process.kill()
    process.wait()

    wait_until(lambda: not any(map(alive, workers)), timeout=10, describe="no ghosts")
    assert sqlite_rig.workers() == [], "they left in order"


def test_killed_work_starts_again_within_15_seconds(rig: Rig) -> None:
    rig.handlers(WORK)
    rig.start("actors.scheduler")
    wait_until(lambda: "scheduler.started" in rig.output(), timeout=30)
    process = rig.dramatiq()
    event_id = rig.store()
    publish(rig, event_id)
    ((_, worker),) = wait_until(lambda: rig.notes("started"))

    os.kill(worker, signal.SIGKILL)
    killed_at = time.monotonic()
    process.wait()
    rig.dramatiq()
    wait_until(lambda: len(rig.notes("started")) == 2, timeout=30)

    assert time.monotonic() - killed_at < 15
    (rig.folder / "release").touch()
    row = rig.wait_for(event_id, SUCCEEDED)
    assert (row.starts, row.crashes) == (2, 1)
    assert [attempt.outcome for attempt in rig.attempts(event_id)] == ["crashed", "succeeded"]


def test_poison_in_a_batch_of_20_is_quarantined_alone(rig: Rig) -> None:
    """The process dies once; after that each suspect is alone, and 19 of them are innocent."""
    rig.handlers("""
@on("github", name="work")
def work(event: Event) -> None:
    note("started", event)
    if event.body == b"poison":
        os._exit(13)
""")
    harmless = [rig.store() for _ in range(10)]
    poison = rig.store(body=b"poison")
    harmless += [rig.store() for _ in range(9)]
    publish(rig, *harmless[:10], poison, *harmless[10:])
    rig.start("actors.scheduler")

    process = rig.start("dramatiq", "actors", "--processes", "1", "--threads", "4")
    assert ended(process, within=30) != 0, "the worker died of it"
    rig.dramatiq()

    rig.wait_for(poison, DeliveryState.QUARANTINED, timeout=60)
    for event_id in harmless:
        rig.wait_for(event_id, SUCCEEDED, timeout=30)
    assert rig.delivery(poison).starts == 3
    assert [attempt.code for attempt in rig.attempts(poison)] == [
        "worker_lost",
        "exit_13",
        "exit_13",
    ]
    assert not any(ledger.violations(rig.database).values())


def test_a_handler_that_blocks_the_interpreter_ends_the_process(sqlite_rig: Rig) -> None:
    """No Python runs, so only a watchdog in C can end it; then the delivery runs in a child."""
    sqlite_rig.handlers("""
import ctypes
from actors.middleware import watch
watch.STALL_SECONDS = 3.0

@on("github", name="stuck", time_limit=1)
def stuck(event: Event) -> None:
    note("started", event)
    ctypes.PyDLL(None).sleep(120)
""")
    process = sqlite_rig.dramatiq()
    publish(sqlite_rig, sqlite_rig.store())

    assert ended(process, within=30) != 0
    assert "Timeout" in sqlite_rig.output()
