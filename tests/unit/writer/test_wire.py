"""What goes over the socket arrives whole, in order and as it was, however the kernel cuts it."""

import fcntl
import resource
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.writer import wire
from ingest.writer.socket_end import WriterEnd
from ingest.writer.wire import Condition, Frames, Outcome, Parcel
from tests.unit.writer.desk import arrival, orders

OUTCOMES: list[Outcome] = [
    Accepted("an id"),
    Accepted("another", duplicate=True),
    Accepted("a third", duplicate=True, conflicting=True),
    RowRejected("a text contains a NUL character"),
    StoreUnavailable("the database cannot serve now: \ud800"),
]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, WriterEnd]]:
    """The receiver's socket, and the writer's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, WriterEnd(theirs)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Allow this process more than the usual 1,024 open files for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4_096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def said(data: bytes) -> list[Any]:
    return list(Frames().feed(data))


def parcels() -> list[Parcel]:
    every_byte = arrival(bytes(range(256)), key=b"k")._replace(
        headers="\x00\ud800\xff", query="\ud800"
    )
    return [Parcel(1.5, every_byte), Parcel(2.25, arrival(b""))]


def spelled(outcomes: list[Outcome]) -> list[tuple[type, str]]:
    """Errors are equal only to themselves."""
    return [(type(one), repr(one)) for one in outcomes]


def test_arrivals_come_as_they_were() -> None:
    sent = parcels()
    (value,) = said(wire.parcels_frame(sent))
    assert wire.read_parcels(value) == sent


def test_every_kind_of_outcome_comes_as_it_was() -> None:
    (value,) = said(wire.outcomes_frame(OUTCOMES))
    heard = wire.read_answer(value)
    assert isinstance(heard, list)
    assert spelled(heard) == spelled(OUTCOMES)


@pytest.mark.parametrize("condition", [Condition(""), Condition("away"), Condition("off", True)])
def test_a_condition_comes_as_it_was(condition: Condition) -> None:
    (value,) = said(wire.condition_frame(condition))
    assert wire.read_answer(value) == condition


def test_a_kind_of_the_store_that_is_more_special_is_told_as_what_it_is() -> None:
    class ConnectionLost(StoreUnavailable):
        """Whose class the receiver need not know."""

    (value,) = said(wire.outcomes_frame([ConnectionLost("broke")]))
    answers = wire.read_answer(value)
    assert isinstance(answers, list)
    (heard,) = answers
    assert (type(heard), str(heard)) == (StoreUnavailable, "broke")


def test_a_stream_may_be_cut_at_any_byte() -> None:
    stream = wire.parcels_frame(parcels()) + wire.outcomes_frame(OUTCOMES)
    whole = said(stream)
    for cut in range(len(stream) + 1):
        frames = Frames()
        assert [*frames.feed(stream[:cut]), *frames.feed(stream[cut:])] == whole


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 60), max_size=40))
def test_a_stream_may_be_cut_into_any_pieces(values: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(wire.condition_frame(Condition(repr(value))) for value in values)
    frames, start = Frames(), 0
    heard: list[Any] = []
    for size in [*sizes, len(stream) + 1]:
        heard += frames.feed(stream[start : start + size])
        start += size
    assert [Condition(*value).trouble for value in heard] == [repr(value) for value in values]


def test_orders_come_first(ends: tuple[socket.socket, WriterEnd]) -> None:
    ours, end = ends
    ours.sendall(wire.orders_frame(orders("sqlite:///x")) + wire.parcels_frame(parcels()))
    assert end.orders() == orders("sqlite:///x")
    assert [parcel.deadline for parcel in end.receive(5.0)] == [1.5, 2.25]


def test_a_receiver_that_left_before_its_orders_gives_none(
    ends: tuple[socket.socket, WriterEnd],
) -> None:
    ours, end = ends
    ours.close()
    assert end.orders() is None


def test_what_was_sent_before_the_receiver_left_is_still_read(
    ends: tuple[socket.socket, WriterEnd],
) -> None:
    ours, end = ends
    ours.sendall(wire.parcels_frame(parcels()))
    ours.close()
    assert len(end.receive(5.0)) == 2
    assert end.receive(5.0) == []
    assert end.ended
    end.answer([Accepted("nobody hears it")])


def test_a_large_frame_is_waited_for_as_one(ends: tuple[socket.socket, WriterEnd]) -> None:
    """Between its pieces the writer would take itself for idle, and look after its database."""
    ours, end = ends
    body = bytes(range(256)) * 40_000
    frame = wire.parcels_frame([Parcel(1.0, arrival(body))])
    sender = threading.Thread(target=ours.sendall, args=[frame], daemon=True)
    sender.start()
    ((_, heard),) = end.receive(5.0)
    sender.join()
    assert isinstance(heard, Arrival)
    assert heard.body == body


def test_half_a_frame_is_not_waited_for_longer_than_was_asked(
    ends: tuple[socket.socket, WriterEnd],
) -> None:
    ours, end = ends
    frame = wire.parcels_frame(parcels())
    ours.sendall(frame[:100])
    assert end.receive(0.01) == []
    assert not end.ended
    ours.sendall(frame[100:])
    assert len(end.receive(5.0)) == 2


@pytest.mark.usefixtures("many_descriptors")
def test_a_socket_with_a_high_number_is_heard() -> None:
    """A receiver with thousands of connections starts a writer anew: its number is inherited."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        high = socket.socket(fileno=fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, 2_000))
        with high:
            end = WriterEnd(high)
            ours.sendall(wire.parcels_frame(parcels()))
            assert len(end.receive(5.0)) == 2
