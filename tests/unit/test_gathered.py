"""What a connection writes within one turn goes out at once, in order, and to nobody who left."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from ingest.gathered import Gathered


class Wire(asyncio.Transport):
    """Stands in for a connection: a real one does not show how often it was written to."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.writes: list[bytes] = []
        self.closing = False
        self.unread = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing, "asyncio warns of each write to a peer that has gone"
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        """Not of interest here."""

    def resume_reading(self) -> None:
        """Not of interest here."""

    def abort(self) -> None:
        self.closing = True


class Turn:
    """An event loop of which a test ends the turns."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.planned: list[Callable[[], None]] = []
        self.gathered = Gathered(self.wire, self.planned.append)

    def end(self) -> None:
        planned = self.planned[:]
        self.planned.clear()
        for callback in planned:
            callback()


@pytest.fixture
def turn() -> Turn:
    return Turn()


def test_what_one_turn_writes_is_one_write_in_order(turn: Turn) -> None:
    for part in (b"head ", bytearray(b"body "), memoryview(b"end")):
        turn.gathered.write(part)
    assert turn.wire.writes == []
    assert len(turn.planned) == 1
    turn.end()
    assert turn.wire.writes == [b"head body end"]


def test_the_next_turn_is_the_next_write(turn: Turn) -> None:
    for part in (b"one", b"two"):
        turn.gathered.write(part)
        turn.end()
    turn.end()
    assert turn.wire.writes == [b"one", b"two"]


def test_closing_sends_what_was_written_first(turn: Turn) -> None:
    turn.gathered.write(b"last words")
    turn.gathered.close()
    assert turn.wire.writes == [b"last words"]
    assert turn.gathered.is_closing()
    turn.end()
    assert turn.wire.writes == [b"last words"]


def test_nothing_is_written_to_a_peer_that_has_gone(turn: Turn) -> None:
    turn.gathered.write(b"too late")
    turn.wire.closing = True
    turn.end()
    turn.gathered.write(b"later still")
    turn.end()
    turn.gathered.close()
    assert turn.wire.writes == []


def test_an_abort_sends_nothing(turn: Turn) -> None:
    turn.gathered.write(b"half an answer")
    turn.gathered.abort()
    turn.end()
    assert turn.wire.writes == []


def test_the_rest_is_the_connections_own(turn: Turn) -> None:
    assert turn.gathered.get_extra_info("peername") == ("192.0.2.1", 4711)
    assert turn.gathered.get_extra_info("sslcontext") is None


@pytest.mark.anyio
async def test_a_real_connection_gets_every_byte_in_order() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    gathered = Gathered(transport, loop.call_soon)
    reader, writer = await asyncio.open_connection(sock=theirs)
    parts = [b"%d," % number for number in range(5_000)]
    for number, part in enumerate(parts):
        gathered.write(part * 50)
        if number % 7 == 0:
            await a_turn_of(loop)
    gathered.close()
    async with asyncio.timeout(10):
        assert await reader.read() == b"".join(part * 50 for part in parts)
    writer.close()
    await writer.wait_closed()


async def a_turn_of(loop: asyncio.AbstractEventLoop) -> None:
    over = asyncio.Event()
    loop.call_soon(over.set)
    await over.wait()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
