"""A real server and raw sockets: what no well-behaved HTTP client sends."""

import json
import socket
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.services.ports import free_port
from tests.waiting import wait_until
from tests.web.rig import Server, count_events, read_all, scrape, serving, stored

HEAD = b"POST /in/%b HTTP/1.1\r\nhost: hooks.test\r\n"


def body_of(answer: bytes) -> dict[str, str]:
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2]))


def test_a_chunked_body_is_accepted_as_the_bytes_it_carries(server: Server, wire_url: str) -> None:
    chunks = b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\ntrailer: x\r\n\r\n"
    answer = server.exchange(
        HEAD % b"open" + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n" + chunks
    )
    assert answer.startswith(b"HTTP/1.1 202")
    assert stored(wire_url, body_of(answer)["id"]).body == b"hello world"


def test_an_endless_chunked_body_is_stopped_at_the_cap(server: Server, wire_url: str) -> None:
    """The connection closes; the sender still gets to read why."""
    before = count_events(wire_url)
    with server.connect() as connection:
        connection.sendall(HEAD % b"small" + b"transfer-encoding: chunked\r\n\r\n")
        sent = 0
        connection.settimeout(0.05)
        answer = b""
        while not answer and sent < 50_000_000:
            connection.settimeout(10)
            connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
            sent += 1024
            answer = available(connection)
        assert answer.startswith(b"HTTP/1.1 413")
        assert sent < 1_000_000
        assert b"connection: close" in answer
    assert count_events(wire_url) == before


def available(connection: socket.socket) -> bytes:
    connection.settimeout(0.01)
    try:
        return connection.recv(65536)
    except TimeoutError:
        return b""


def test_a_declared_length_over_the_cap_is_refused_before_the_body_comes(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(HEAD % b"small" + b"content-length: 99999999\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_sender_who_asks_first_is_told_before_it_sends(server: Server) -> None:
    """``Expect: 100-continue``: curl does so for large bodies; a final answer spares the upload."""
    expecting = HEAD % b"small" + b"expect: 100-continue\r\nconnection: close\r\n"
    with server.connect() as connection:
        connection.sendall(expecting + b"content-length: 99999999\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
    with server.connect() as connection:
        connection.sendall(expecting + b"content-length: 3\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"abc")
        assert b"HTTP/1.1 202" in read_all(connection)


def test_a_client_that_sends_all_of_a_large_body_first_still_reads_the_413(
    server: Server,
) -> None:
    """Closing with unread bytes resets the connection, and most clients then see no answer."""
    answer = httpx.post(f"http://127.0.0.1:{server.port}/in/small", content=b"x" * 8_000_000)
    assert answer.status_code == 413


def test_a_sender_who_leaves_in_the_middle_leaves_nothing(server: Server, wire_url: str) -> None:
    before = count_events(wire_url)
    seen = len(disconnects(server))
    for frame in (
        b"content-length: 100\r\n\r\nhalf",
        b"transfer-encoding: chunked\r\n\r\n4\r\nhalf",
    ):
        with server.connect() as connection:
            connection.sendall(HEAD % b"open" + frame)
    wait_until(lambda: len(disconnects(server)) == seen + 2, describe="both to be noticed")
    assert count_events(wire_url) == before


def disconnects(server: Server) -> list[object]:
    rejected = server.find("request.rejected")
    return [line for line in rejected if line["reason"] == "client_disconnect"]


def test_a_body_ends_where_its_length_says_and_the_rest_is_the_next_request(
    server: Server, wire_url: str
) -> None:
    first = HEAD % b"open" + b"content-length: 5\r\n\r\nhello"
    second = HEAD % b"open" + b"content-length: 5\r\nconnection: close\r\n\r\nworld"
    answers = server.exchange(first + second).split(b"HTTP/1.1 202 Accepted")[1:]
    bodies = [stored(wire_url, body_of(answer)["id"]).body for answer in answers]
    assert bodies == [b"hello", b"world"]


@pytest.mark.parametrize(
    "frame",
    [
        b"content-length: -1\r\n\r\n",
        b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    ],
    ids=["negative", "two lengths", "length and chunks", "bad chunk size"],
)
def test_a_body_whose_end_is_unclear_is_never_an_event(
    server: Server, wire_url: str, frame: bytes
) -> None:
    before = count_events(wire_url)
    assert b"HTTP/1.1 202" not in server.exchange(HEAD % b"open" + frame)
    assert count_events(wire_url) == before


def test_one_log_line_for_each_request_without_body_or_secret(server: Server) -> None:
    canary = b"canary-9f1c"
    answer = server.exchange(
        HEAD % b"token?key=canary-query"
        + b"x-gitlab-token: canary-token\r\ncontent-length: 11\r\nconnection: close\r\n\r\n"
        + canary
    )
    assert answer.startswith(b"HTTP/1.1 403")
    answer = server.exchange(
        HEAD % b"open" + b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        b"content-length: 11\r\nconnection: close\r\n\r\n" + canary
    )
    event_id = body_of(answer)["id"]
    (line,) = wait_until(
        lambda: [one for one in server.find("event.accepted") if one["event_id"] == event_id],
        describe="the line of the event",
    )
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert (line["source"], line["bytes"], line["level"]) == ("open", 11, "info")
    assert 0 < line["duration_ms"] < 10_000
    refused = [one for one in server.find("request.rejected") if one["source"] == "token"]
    assert refused[-1]["reason"] == "bad_signature"
    assert "canary" not in server.log.read_text()


def test_an_invented_path_cannot_forge_a_log_line(server: Server) -> None:
    forged = b"x%0A%7B%22event%22%3A%22event.accepted%22%7D%1B%5B31m"
    before = len(server.find("event.accepted"))
    server.exchange(HEAD % forged + b"content-length: 0\r\nconnection: close\r\n\r\n")
    (line,) = wait_until(
        lambda: [one for one in server.find("request.rejected") if "\\x1b" in str(one)],
        describe="the line of the request",
    )
    assert line["requested"].startswith("x\\x0a{")
    assert len(server.find("event.accepted")) == before


def test_the_start_announces_sources_and_retention(server: Server) -> None:
    (line,) = server.find("receiver.started")
    assert line["retention_days"] == 90
    assert "github" in line["sources"]


def test_a_stopping_server_answers_what_it_has_begun(tmp_path: Path, sqlite_url: str) -> None:
    with serving(tmp_path, sqlite_url) as server, server.connect() as connection:
        connection.sendall(HEAD % b"open" + b"content-length: 10\r\n\r\nhello")
        wait_until(lambda: not available(connection), describe="the request to have begun")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        wait_until(lambda: server.find("Shutting down"), describe="the server to stop")
        connection.settimeout(10)
        connection.sendall(b"world")
        answer = read_all(connection)
        stopping.join()
        assert server.find("receiver.stopped")
    assert answer.startswith(b"HTTP/1.1 202")
    assert stored(sqlite_url, body_of(answer)["id"]).body == b"helloworld"


def test_two_processes_count_on_one_port_and_agree_with_their_senders(
    tmp_path: Path, sqlite_url: str
) -> None:
    port = free_port()
    first = serving(tmp_path, sqlite_url, METRICS_PORT=str(port))
    with first as one:
        post(one, 3)
        other = tmp_path / "other"
        other.mkdir()
        data = {"METRICS_PORT": str(port), "DATA": str(tmp_path / "data")}
        with serving(other, sqlite_url, **data) as two:
            post(two, 4)
            counted = scrape(port)
            two.process.kill()
        accepted = (
            "hookkeeper_requests_total",
            frozenset({("source", "open"), ("outcome", "accepted")}),
        )
        assert counted[accepted] == 7
        assert scrape(port)[accepted] == 7


def post(server: Server, count: int) -> None:
    with closing(httpx.Client(base_url=f"http://127.0.0.1:{server.port}")) as client:
        for _ in range(count):
            assert client.post("/in/open", content=b"x").status_code == 202
