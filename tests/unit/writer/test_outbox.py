"""Frames on their way to the writer, over a real socket pair that holds less than is sent."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from ingest.writer.outbox import Outbox

pytestmark = pytest.mark.anyio

FRAME = bytes(range(256)) * 4_000  # a megabyte; the socket holds a fifth of it


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(10)
        yield ours, theirs


def read(end: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (part := end.recv(size - len(got))):
        got += part
    return got


async def test_frames_arrive_whole_and_in_order(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    outbox = Outbox(ours)
    frames = [FRAME, b"second", FRAME[::-1]]
    for frame in frames:
        outbox.send(frame)
    outbox.end()
    got = await asyncio.to_thread(read, theirs, sum(map(len, frames)) + 1)
    assert got == b"".join(frames), "and then the end"
    outbox.close()


async def test_each_frame_takes_along_what_there_was_no_room_for(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Within one turn of the event loop: a turn may take as long as the writer needs for many."""
    ours, theirs = ends
    outbox = Outbox(ours)
    outbox.send(FRAME)
    theirs.setblocking(False)
    got = b""
    for _ in range(100):  # no await: the loop does not turn
        got += drained(theirs)
        outbox.send(b"")
    assert got == FRAME
    outbox.close()


def drained(end: socket.socket) -> bytes:
    got = b""
    while True:
        try:
            got += end.recv(1 << 20)
        except BlockingIOError:
            return got


async def test_a_reader_that_is_gone_is_somebody_elses_news(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    outbox = Outbox(ours)
    outbox.send(FRAME)
    theirs.close()
    outbox.send(b"more")
    outbox.end()
    outbox.close()
    assert not asyncio.get_running_loop().remove_writer(ours.fileno()), "nothing is left behind"
