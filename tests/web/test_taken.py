"""Events that come whole are answered by their connection itself: as by ASGI, only sooner.

A path with an escaped letter is one that the connection leaves to ASGI, so both ways of one
request can be compared.
"""

import fcntl
import hashlib
import hmac
import json
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.waiting import wait_until
from tests.web.rig import SECRET, Server, count_events, github_headers, read_all, serving, stored
from tests.web.test_wire import body_of

ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
DATE = re.compile(rb"date: [^\r]*\r\n")


def request(
    path: str, body: bytes, headers: dict[str, str] | None = None, *, close: bool = True
) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: hooks.test", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += ["connection: close"] * close
    return "\r\n".join([*lines, "", ""]).encode() + body


def by_asgi(path: str) -> str:
    """The same path to a reader, another one to the connection."""
    return f"/in/%{ord(path[4]):x}{path[5:]}"


def plain(answer: bytes) -> bytes:
    return ID.sub(b"ID", DATE.sub(b"", answer))


BODY = b'{"zen":"Speak like a human."}'
STRANGER = github_headers(BODY, secret=b"another secret")
#: What NOWPayments signs is made anew in Python: of 20 kB beside the event loop.
REWRITTEN = json.dumps({"note": "x" * 20_000}, separators=(",", ":")).encode()
REQUESTS = {
    "accepted": ("/in/open", BODY, {}),
    "signed": ("/in/github", BODY, github_headers(BODY, delivery="taken-1")),
    "a bad signature": ("/in/github", BODY, STRANGER),
    "no signature": ("/in/github", BODY, {}),
    "an unknown source": ("/in/nobody", BODY, {}),
    "too large": ("/in/small", b"x" * 1025, {}),
    "empty": ("/in/open", b"", {}),
    "with a query": ("/in/open?a=1&b=%20", BODY, {}),
    "a success of the provider's own": ("/in/token", BODY, {"X-Gitlab-Token": SECRET.decode()}),
    "a failure of the provider's own": ("/in/token", BODY, {"X-Gitlab-Token": "wrong"}),
    "dear to verify": (
        "/in/rewritten",
        REWRITTEN,
        {"x-nowpayments-sig": hmac.new(SECRET, REWRITTEN, hashlib.sha512).hexdigest()},
    ),
    "dear, and not proved": ("/in/rewritten", REWRITTEN, {"x-nowpayments-sig": "0" * 128}),
    "a trace": ("/in/open", BODY, {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_an_answer_is_the_same_by_either_way(server: Server, name: str) -> None:
    path, body, headers = REQUESTS[name]
    first = server.exchange(request(path, body, headers))
    second = server.exchange(request(by_asgi(path), body, headers))
    if name == "signed":  # the second is the first one's duplicate, whichever way it came
        assert (first[:12], second[:12]) == (b"HTTP/1.1 202", b"HTTP/1.1 200")
        first = server.exchange(request(path, body, headers))
    assert plain(first) == plain(second)


def test_what_is_kept_is_the_same_by_either_way(server: Server, wire_url: str) -> None:
    path, headers = "/in/open?x=%41", {"X-One": "1", "x-one": "2", "Content-Type": "text/plain"}
    kept = [
        stored(wire_url, body_of(server.exchange(request(way, BODY, headers)))["id"])
        for way in (path, by_asgi(path))
    ]
    for name in ("source", "type", "headers", "query", "content_type", "body"):
        assert getattr(kept[0], name) == getattr(kept[1], name), name


def test_an_event_that_comes_whole_is_taken_by_the_application_as_it_is_shipped(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Everything else here would hold as well if nothing was ever taken.

    The server's own code counts what begins a task of ASGI: nothing but the other way does.
    """
    with serving(tmp_path, sqlite_url, first=COUNT_TASKS) as server:
        before = len(server.find("asgi"))
        for way in ("/in/open", "/in/open?a=1", "/in/nobody"):
            assert server.exchange(request(way, BODY)).startswith(
                (b"HTTP/1.1 202", b"HTTP/1.1 404")
            )
        assert len(server.find("asgi")) == before
        server.exchange(request(by_asgi("/in/open"), BODY))
        wait_until(lambda: len(server.find("asgi")) == before + 1, describe="the other way")


COUNT_TASKS = """
from ingest.paths import Application
by_asgi = Application.__call__
async def logged(application, scope, receive, send):
    if scope["type"] == "http":
        print('{"event":"asgi"}', flush=True)
    await by_asgi(application, scope, receive, send)
Application.__call__ = logged
"""


def test_what_was_taken_is_given_back_to_the_bytes_in_flight(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Or the receiver would close for good after as many bytes as may be in flight at once."""
    body = b"x" * 500
    with serving(tmp_path, sqlite_url, MAX_IN_FLIGHT="1KB") as server, server.connect() as wire:
        for _ in range(100):
            wire.sendall(request("/in/open", body, close=False))
            assert wire.recv(65536).startswith(b"HTTP/1.1 202")
        wire.sendall(request("/in/small", b"x" * 1025, close=False))
        assert wire.recv(65536).startswith(b"HTTP/1.1 503"), "more than may be in flight at all"
    assert count_events(sqlite_url) == 100


def test_every_request_is_logged_once(server: Server) -> None:
    before = len(server.find("event.accepted"))
    for path in ("/in/open", by_asgi("/in/open")):
        server.exchange(request(path, BODY))
    assert len(server.find("event.accepted")) == before + 2


def test_answers_come_in_the_order_of_pipelined_requests(server: Server) -> None:
    """The second could be answered at once; it waits for the first one's commit."""
    get = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    raw = request("/in/open", BODY, close=False) + get + request("/in/open", BODY)
    answers = server.exchange(raw).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"202", b"200", b"202"]


def test_one_connection_takes_many_events(server: Server, wire_url: str) -> None:
    before = count_events(wire_url)
    with server.connect() as wire:
        for _ in range(20):
            wire.sendall(request("/in/open", BODY, close=False))
            assert wire.recv(65536).startswith(b"HTTP/1.1 202")
    assert count_events(wire_url) == before + 20


def test_a_body_of_many_reads_goes_the_long_way(server: Server, wire_url: str) -> None:
    body = bytes(range(256)) * 4_000
    answer = server.exchange(request("/in/open", body))
    assert stored(wire_url, body_of(answer)["id"]).body == body


def test_a_sender_who_leaves_before_the_answer_hurts_nobody(server: Server, wire_url: str) -> None:
    before = count_events(wire_url)
    with locked(wire_url):
        for _ in range(5):
            leaving = server.connect()
            leaving.sendall(request("/in/open", BODY, close=False))
            leaving.close()
    assert server.exchange(request("/in/open", BODY)).startswith(b"HTTP/1.1 202")
    wait_until(lambda: count_events(wire_url) == before + 6, describe="what was sent whole")
    assert not [line for line in server.lines() if line.get("exception")]


def test_a_stop_waits_for_the_answers_that_are_owed(tmp_path: Path, wire_url: str) -> None:
    with serving(tmp_path, wire_url, COMMIT_TIMEOUT="5s") as server:
        waiting = [server.connect() for _ in range(3)]
        with locked(wire_url):
            for wire in waiting:
                wire.sendall(request("/in/open", BODY, close=False))
            wait_until(lambda: all(map(acknowledged_by_kernel, waiting)), describe="the requests")
            server.process.send_signal(signal.SIGTERM)
        for wire in waiting:
            with wire:
                assert read_all(wire).startswith(b"HTTP/1.1 202")
        assert server.process.wait(timeout=20) == -signal.SIGTERM  # as uvicorn ends


def acknowledged_by_kernel(wire: socket.socket) -> bool:
    """Whether all that was sent has reached the other end (SIOCOUTQ is 0)."""
    waiting = fcntl.ioctl(wire.fileno(), 0x5411, b"\0\0\0\0")
    return int.from_bytes(waiting, "little") == 0


class locked:  # noqa: N801 - reads as what it does
    """Someone else holds SQLite's write lock for a while: commits wait."""

    def __init__(self, url: str) -> None:
        self._path = Path(url.removeprefix("sqlite:///") + ".lock")

    def __enter__(self) -> None:
        self._file = self._path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_error: object) -> None:
        self._file.close()
