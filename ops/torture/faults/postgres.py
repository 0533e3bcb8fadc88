"""PostgreSQL restarts, loses its backends, stops, fills up, is cut off, and fails over."""

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ops.torture.cluster.lives import send
from ops.torture.cluster.proxy import Mode
from ops.torture.cluster.servers import backends, freeze
from ops.torture.stage import NotStruck, Stage
from ops.torture.waiting import NeverCame, wait_until
from tests.services.postgres import OWNER, PostgresServer

_NOTICE_SECONDS = 1.0


def _server(stage: Stage) -> PostgresServer:
    assert stage.postgres is not None
    return stage.postgres


@contextmanager
def restart(stage: Stage) -> Iterator[None]:
    """Stop at once, as in a crash, and start again: every connection breaks."""
    _server(stage).restart()
    yield


@contextmanager
def kill(stage: Stage) -> Iterator[None]:
    """SIGKILL the server and all its processes; it recovers when it is started again."""
    _server(stage).kill()
    yield
    _server(stage).start()


@contextmanager
def terminate(stage: Stage, *, times: int) -> Iterator[None]:
    """Break every connection of ours, again and again."""
    for number in range(times):
        if number:  # what comes after the last is the time in which it heals
            stage.rest(stage.random.uniform(0.05, 0.8))
        _server(stage).execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'torture'"
        )
    yield


@contextmanager
def kill_backend(stage: Stage) -> Iterator[None]:
    """SIGKILL one backend: the server takes that for a crash and restarts them all.

    Raises NotStruck.
    """
    rows = _server(stage).execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = 'torture' AND application_name ="
        " 'hookkeeper' ORDER BY random() LIMIT 1"
    )
    if not send(signal.SIGKILL, (pid for (pid,) in rows)):
        raise NotStruck("no backend was there")
    with contextlib.suppress(NeverCame):  # it may be back before it is seen to be away
        wait_until(lambda: not _answers(stage), _NOTICE_SECONDS, "a restart", 0.005)
    _server(stage).wait_ready()
    yield


def _answers(stage: Stage) -> bool:
    try:
        _server(stage).execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def stop(stage: Stage) -> Iterator[None]:
    """SIGSTOP every process of the server: connections stay open and nobody answers."""
    stopped = backends(_server(stage))
    freeze(stopped, on=True)
    yield
    freeze(stopped, on=False)


@contextmanager
def exhaust(stage: Stage) -> Iterator[None]:
    """Take every connection that there is, and those that become free."""
    with contextlib.ExitStack() as held:
        server = _server(stage)
        server.execute("ALTER ROLE hookkeeper CONNECTION LIMIT -1")
        for _ in range(2):
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    connection = psycopg.connect(
                        host="127.0.0.1", port=server.port, user=OWNER, dbname="postgres"
                    )
                    held.callback(connection.close)
        yield


@contextmanager
def lock(stage: Stage, *, table: str) -> Iterator[None]:
    """Hold a table, as a careless migration does."""
    server = _server(stage)
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user=OWNER, dbname="torture"
    ) as connection:
        connection.execute(psycopg.sql.SQL("LOCK TABLE {}").format(psycopg.sql.Identifier(table)))
        yield
        connection.rollback()


@contextmanager
def behind_proxy(stage: Stage, *, mode: Mode, roles: list[str]) -> Iterator[None]:
    """Cut some roles off from it, or hold what they say up."""
    proxies = [stage.database_proxies[role] for role in roles]
    for proxy in proxies:
        proxy.become(mode)
    yield
    for proxy in proxies:
        proxy.become("pass")


@contextmanager
def failover(stage: Stage) -> Iterator[None]:
    """Kill the primary and promote its synchronous standby; everyone is sent there."""
    assert stage.standby is not None
    _server(stage).kill()
    stage.standby.promote()
    for proxy in stage.database_proxies.values():
        proxy.point_at(stage.standby.port)
    stage.postgres = stage.standby
    yield
