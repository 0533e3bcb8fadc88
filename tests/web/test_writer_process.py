"""A receiver process and its writer process: one to whoever looks from outside."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services.ports import free_port
from tests.waiting import wait_until
from tests.web.rig import Server, count_events, scrape, serving, stored
from tests.web.test_wire import HEAD

COMMITTED = ("hookkeeper_commit_events_sum", frozenset[tuple[str, str]]())
COMMITS = ("hookkeeper_commit_events_count", frozenset[tuple[str, str]]())
LEFT_TO_THE_SCHEDULER = (
    "hookkeeper_published_total",
    frozenset({("queue", "dispatch"), ("outcome", "failed")}),
)


@contextmanager
def posting(server: Server) -> Iterator[httpx.Client]:
    with closing(httpx.Client(base_url=f"http://127.0.0.1:{server.port}")) as client:
        yield client


def accepts(client: httpx.Client) -> bool:
    return client.post("/in/open", content=b"x").status_code == 202


def writer_of(server: Server) -> int:
    """The process id of a receiver's only child."""
    pid = server.process.pid
    (writer,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(writer)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_without_a_broker_events_are_accepted_at_full_speed(
    tmp_path: Path, sqlite_url: str
) -> None:
    port = free_port()
    with serving(tmp_path, sqlite_url, METRICS_PORT=str(port)) as server, posting(server) as client:
        wait_until(lambda: accepts(client), describe="the database to be open")
        started = time.monotonic()
        assert all(accepts(client) for _ in range(30))
        assert time.monotonic() - started < 3
        wait_until(lambda: scrape(port).get(LEFT_TO_THE_SCHEDULER, 0) > 0, describe="the failure")
    assert count_events(sqlite_url) == 31


def test_what_a_writer_counted_is_on_the_port_of_its_receiver_and_outlives_it(
    tmp_path: Path, sqlite_url: str
) -> None:
    port = free_port()
    with serving(tmp_path, sqlite_url, METRICS_PORT=str(port)) as server, posting(server) as client:
        seen: list[tuple[float, ...]] = []
        for total in (4, 8):  # a scrape sums up what the dead have left, and leaves the living be
            assert all(accepts(client) for _ in range(4))
            seen.append(counted(port, total))
        killed = writer_of(server)
        os.kill(killed, signal.SIGKILL)

        def accepts_again() -> bool:
            seen.append(scrape_writer(port))
            return accepts(client)

        wait_until(accepts_again, describe="a new writer")
        seen.append(counted(port, 9))
        left = (tmp_path / "data" / "metrics").glob(f"*{killed}*")
        assert list(left) == [], "files of the dead pile up"
    assert [sorted(each) for each in zip(*seen, strict=True)] == [
        list(each) for each in zip(*seen, strict=True)
    ]


def scrape_writer(port: int) -> tuple[float, ...]:
    """What only the writer counts: events, commits, and ids that the broker did not get."""
    found = scrape(port)
    return tuple(found.get(name, 0.0) for name in (COMMITTED, COMMITS, LEFT_TO_THE_SCHEDULER))


def counted(port: int, total: int) -> tuple[float, ...]:
    """Wait until so many events are counted as committed and as left to the scheduler."""

    def all_of_them() -> bool:
        events, _, left = scrape_writer(port)
        return events >= total and left >= total

    wait_until(all_of_them, describe="all to be counted")
    return scrape_writer(port)


def test_a_writer_that_is_killed_is_replaced_and_both_say_so(
    tmp_path: Path, sqlite_url: str
) -> None:
    with serving(tmp_path, sqlite_url) as server, posting(server) as client:
        killed = writer_of(server)
        os.kill(killed, signal.SIGSTOP)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: server.find("writer.ended"), describe="the receiver to notice")
        wait_until(lambda: gone(killed), describe="it to be buried")
        wait_until(lambda: accepts(client), describe="a new writer")
        assert client.get("/readyz").status_code == 200
        assert writer_of(server) != killed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_writer_does_not_outlive_its_receiver(
    tmp_path: Path, sqlite_url: str, number: signal.Signals
) -> None:
    with serving(tmp_path, sqlite_url) as server, posting(server) as client:
        acknowledged = client.post("/in/open", content=b"x").json()["id"]
        writer = writer_of(server)
        server.process.send_signal(number)
        server.process.wait(timeout=20)
        wait_until(lambda: gone(writer), describe="the writer to end")
    assert stored(sqlite_url, acknowledged).body == b"x"


def test_a_signal_to_all_of_a_receivers_processes_costs_no_event(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Ctrl-C in a terminal, or a service manager that stops a whole group."""
    with serving(tmp_path, sqlite_url) as server, server.connect() as connection:
        connection.sendall(HEAD % b"open" + b"content-length: 10\r\nexpect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100"), "the request has begun"
        os.kill(writer_of(server), signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.find("Shutting down"), describe="the server to stop")
        connection.sendall(b"helloworld")
        assert connection.recv(65536).startswith(b"HTTP/1.1 202")
        server.process.wait(timeout=20)
    assert count_events(sqlite_url) == 1
