"""Senders that send on without reading: each request has its turn, and memory a bound."""

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from ingest import answers, connection
from ingest.answers import Answer
from tests.waiting import wait_until_async
from tests.web.rig import Server
from tests.web.test_connection import listening
from tests.web.test_wire import HEAD

EVENT = HEAD % b"open" + b"content-length: 1\r\n\r\nx"
LAST = HEAD % b"open" + b"connection: close\r\ncontent-length: 1\r\n\r\nx"


class Application:
    """Answers at once, and knows which way each event came, and in which turn of the loop."""

    def __init__(self, answer: Answer = answers.BUSY) -> None:
        self.taken = 0
        self.by_asgi = 0
        self.most_in_a_turn = 0
        self._answer = answer
        self._in_this_turn = 0

    def take(self, _scope: Scope, _whole: bytes, reply: Callable[[Answer], None]) -> None:
        self.taken += 1
        self._in_this_turn += 1
        self.most_in_a_turn = max(self.most_in_a_turn, self._in_this_turn)
        asyncio.get_running_loop().call_soon(self._turn)
        reply(self._answer)

    @property
    def began(self) -> int:
        return self.taken + self.by_asgi

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.by_asgi += 1
        await receive()
        await answers.send_answer(self._answer, receive, send)

    def _turn(self) -> None:
        self._in_this_turn = 0


@pytest.mark.anyio
async def test_one_read_has_a_few_taken_and_the_others_wait_for_their_turn() -> None:
    """Thousands fit into one read; everybody else would wait until all are done."""
    application, number = Application(), 200
    async with listening(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(EVENT * (number - 1) + LAST)
        async with asyncio.timeout(10):
            got = await reader.read()
        writer.close()
    assert got.count(b"HTTP/1.1 503") == number
    assert application.began == number
    assert application.most_in_a_turn == connection.TAKES_A_READ


@pytest.mark.anyio
@pytest.mark.parametrize("before", [0, 1, connection.TAKES_A_READ])
async def test_what_follows_a_request_that_closes_is_no_request(before: int) -> None:
    application = Application()
    async with listening(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(EVENT * before + LAST + EVENT * 5)
        async with asyncio.timeout(10):
            got = await reader.read()
        writer.close()
    assert got.count(b"HTTP/1.1 503") == before + 1
    assert application.began == before + 1


@pytest.mark.anyio
async def test_what_follows_an_answer_that_closes_is_no_request() -> None:
    application = Application(answers.BUSY._replace(close=True))
    async with listening(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(EVENT * 5)
        async with asyncio.timeout(10):
            got = await reader.read()
        writer.close()
    assert got.count(b"HTTP/1.1 503") == 1
    assert (application.taken, application.by_asgi) == (1, 0)


@pytest.mark.anyio
async def test_an_application_that_fails_to_take_is_our_mistake() -> None:
    class Failing(Application):
        def take(self, _scope: Scope, _whole: bytes, _reply: Callable[[Answer], None]) -> None:
            raise ZeroDivisionError

    async with listening(Failing()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LAST)
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 500")
        writer.close()


LONG_ANSWER = answers.BUSY._replace(body=b"x" * 50_000)
#: What a transport keeps before it complains, and the answers of one read.
UNREAD_BYTES = 65_536 + (connection.TAKES_A_READ + 2) * 51_000
READ_BYTES = 1 << 18  # what asyncio and uvloop ask for at once


@pytest.mark.anyio
async def test_a_sender_that_reads_nothing_is_read_no_more() -> None:
    """Its answers have to be kept somewhere, and what it sends, too."""
    state = ServerState()
    async with listening(Application(LONG_ANSWER), state=state) as port:
        with deaf(port) as wire:
            one = await only_one(state)
            sending = asyncio.create_task(send_for_ever(wire))
            await wait_until_async(
                lambda: one.flow.write_paused and one.flow.read_paused, describe="its pause"
            )
            assert one.transport._transport.get_write_buffer_size() < UNREAD_BYTES
            assert len(one.pipeline) <= READ_BYTES // len(EVENT) + 1
            sending.cancel()
        await ended(state)


async def send_for_ever(wire: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(wire, EVENT * 500)


@pytest.mark.anyio
async def test_a_sender_that_reads_nothing_and_sends_slowly_is_read_no_more() -> None:
    """One event a read: none is pipelined behind another, each is answered at once."""
    state, application = ServerState(), Application(LONG_ANSWER)
    async with listening(application, state=state) as port:
        with deaf(port) as wire:
            one = await only_one(state)
            for number in range(1, 501):
                await asyncio.get_running_loop().sock_sendall(wire, EVENT)
                await wait_until_async(
                    lambda: application.began >= number or one.flow.read_paused,  # noqa: B023 - asked for at once
                    describe="this one to be read",
                )
                if one.flow.read_paused:
                    break
            assert one.flow.read_paused, "500 answers of 50 KB are kept for it"
            assert one.transport._transport.get_write_buffer_size() < UNREAD_BYTES
        await ended(state)


async def only_one(state: ServerState) -> connection.Connection:
    (one,) = await wait_until_async(lambda: state.connections, describe="the connection")
    assert isinstance(one, connection.Connection)
    return one


async def ended(state: ServerState) -> None:
    await wait_until_async(lambda: not (state.connections or state.tasks), describe="its end")


def deaf(port: int) -> socket.socket:
    """A connection that takes in little and reads nothing."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    wire.connect(("127.0.0.1", port))
    wire.setblocking(False)
    return wire


FLOOD_BYTES = 40_000_000
FLOOD = HEAD % b"nobody" + b"content-length: 100\r\n\r\n" + b"x" * 100


def test_a_flood_that_nobody_reads_the_answers_of_costs_little_memory_and_nobody_else(
    server: Server,
) -> None:
    """Each of these is answered at once: no commit holds the flood back."""
    before = resident_bytes(server)
    waits: list[float] = []
    with deaf(server.port) as wire, server.connect() as other:
        flood = Flood(wire)
        flood.start()
        while not flood.stuck.is_set():
            began = time.monotonic()
            other.sendall(EVENT)
            assert other.recv(65536).startswith(b"HTTP/1.1 202")
            waits.append(time.monotonic() - began)
        flood.join()
        assert flood.sent < FLOOD_BYTES, "it was read to its end"
        assert resident_bytes(server) - before < 30_000_000
    assert sorted(waits)[len(waits) // 2] < 1.0


class Flood(threading.Thread):
    """Sends until it is read no more; ``stuck`` is set then."""

    def __init__(self, wire: socket.socket) -> None:
        super().__init__()
        self._wire = wire
        self.sent = 0
        self.stuck = threading.Event()

    def run(self) -> None:
        unsent = memoryview(b"")
        while self.sent < FLOOD_BYTES:
            _, writable, _ = select.select([], [self._wire], [], 2.0)
            if not writable:
                break
            unsent = unsent or memoryview(FLOOD * 1_000)
            size = self._wire.send(unsent)
            unsent = unsent[size:]
            self.sent += size
        self.stuck.set()


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
