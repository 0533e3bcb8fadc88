"""What a connection takes before it is a request: hostile heads, and offers of another protocol."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from starlette.types import Scope
from uvicorn import Config
from uvicorn.server import ServerState

from ingest import answers, connection
from ingest.answers import Answer
from tests.web.rig import Server, read_all, stored
from tests.web.test_wire import HEAD, body_of

H2C = (
    b"connection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\n"
    b"http2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
)


@pytest.mark.parametrize(
    "framed",
    [
        b"content-length: 11\r\n\r\nhello world",
        b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("cuts", [(), (40, -5)], ids=["in_one_piece", "in_pieces"])
def test_a_request_that_offers_http2_keeps_its_body(
    server: Server, wire_url: str, framed: bytes, cuts: tuple[int, ...]
) -> None:
    """Java's HttpClient offers h2c with each first request; the parser skips such bodies."""
    raw = HEAD % b"open" + H2C + framed
    with server.connect() as wire:
        for start, end in pairwise((0, *cuts, len(raw))):
            wire.sendall(raw[start:end])
        answer = read_all(wire)
    assert answer.startswith(b"HTTP/1.1 202")
    event = stored(wire_url, body_of(answer)["id"])
    assert event.body == b"hello world"
    assert [name for name, _ in event.headers][:3] == ["host", "connection", "http2-settings"]


def test_what_follows_a_declined_offer_is_the_next_request(server: Server, wire_url: str) -> None:
    offer = H2C.replace(b", close", b"")
    one = HEAD % b"open" + offer + b"content-length: 3\r\n\r\none"
    two = HEAD % b"open" + H2C + b"content-length: 3\r\n\r\ntwo"
    answers = server.exchange(one * 20 + two).split(b"HTTP/1.1 202 Accepted\r\n")[1:]
    bodies = [stored(wire_url, body_of(answer)["id"]).body for answer in answers]
    assert bodies == [b"one"] * 20 + [b"two"]


def test_trailers_are_no_headers(server: Server, wire_url: str) -> None:
    """Merged, they would pass what a proxy in front removes from heads (RFC 9110 §6.5.1)."""
    chunked = b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    answer = server.exchange(HEAD % b"open" + chunked + b"x-real-ip: 10.0.0.1\r\n\r\n")
    event = stored(wire_url, body_of(answer)["id"])
    assert (event.body, event.header("x-real-ip")) == (b"x", None)


def test_nobody_gets_a_tunnel(server: Server) -> None:
    answer = server.exchange(b"CONNECT inside:22 HTTP/1.1\r\nhost: inside\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "begun",
    [
        HEAD % b"open" + b"x-endless: ",
        b"POST /in/open?endless=",
        HEAD % b"open" + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-trailer: ",
    ],
    ids=["header", "url", "trailer"],
)
def test_a_head_without_an_end_is_cut_off(server: Server, begun: bytes) -> None:
    """Measured: 200 MB of one header held the event loop, and so every sender, for 47 s."""
    endless = b"a" * 20_000_000
    with server.connect() as wire, pytest.raises(ConnectionError):
        wire.sendall(begun + endless)
    assert server.exchange(HEAD % b"open" + b"connection: close\r\n\r\n"), "it serves others"


def test_a_head_that_is_too_large_is_answered(server: Server) -> None:
    raw = HEAD % b"open" + b"x-endless: " + b"a" * (connection.SILENT_BYTES)
    assert server.exchange(raw).startswith(b"HTTP/1.1 431")


def test_a_large_body_is_no_head(server: Server, wire_url: str) -> None:
    large = b"a" * (connection.SILENT_BYTES * 20)
    head = HEAD % b"open" + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(large)
    answer = server.exchange(head + large)
    assert stored(wire_url, body_of(answer)["id"]).body == large


class Taker:
    """Takes every event and answers at once."""

    def take(self, _scope: Scope, _whole: bytes, reply: Callable[[Answer], None]) -> None:
        reply(answers.BUSY)


@contextlib.asynccontextmanager
async def listening(
    app: object, keep_alive: float = 5.0, state: ServerState | None = None
) -> AsyncIterator[int]:
    """Connections of this process, without the rest of a server; their port.

    ``state``: what they share.
    """
    shared = state or ServerState()
    config = Config(
        "unused:app", ws="none", log_config=None, proxy_headers=False, interface="asgi3"
    )
    config.load_app = lambda: app  # type: ignore[method-assign]  # a Taker is asked for less than an application
    config.timeout_keep_alive = keep_alive  # type: ignore[assignment]  # a part of a second
    config.load()
    listener = await asyncio.get_running_loop().create_server(
        lambda: connection.Connection(config, shared, {}), "127.0.0.1", 0
    )
    yield listener.sockets[0].getsockname()[1]
    listener.close()


@pytest.mark.anyio
async def test_a_connection_that_rests_is_closed_and_one_that_goes_on_is_not() -> None:
    keep_alive = 0.3
    request = HEAD % b"open" + b"content-length: 1\r\n\r\nx"
    async with listening(Taker(), keep_alive) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = asked = time.monotonic()
        while asked < began + 3 * keep_alive:
            asked = time.monotonic()  # it rests from the answer on, so never from before this
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
        async with asyncio.timeout(10):
            rest = await reader.read()
        closed = time.monotonic()
        writer.close()
    assert rest == b""
    assert closed - asked >= keep_alive
