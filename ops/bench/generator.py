"""Open-loop load: requests at times that were fixed before, whatever the server answers.

    python -m ops.bench.generator URL --rate 2000 --seconds 10 --outcomes FILE [...]

Each request is due at a time of a Poisson or an even schedule. It leaves on a free connection, or
waits for one; either way its latency counts from the time at which it was due, so that a server
that stalls is charged for everything that piled up meanwhile (no coordinated omission).
Offered more than it can send, it keeps every connection busy, as closed-loop load does.

A process of its own on plain sockets and epoll: an event loop's timers have a resolution of a
millisecond, and its objects a cost. One line a request goes to the file of outcomes:
``due sent answered status retry_after id``, times in microseconds since the start.
"""

import argparse
import gc
import json
import random
import re
import select
import socket
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from ops.bench import request

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after:", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_ID = re.compile(rb'"id":"([^"]+)"')
_NO_ANSWER = 0
_CHUNK = 65_536
_BUFFER = 1_048_576
_BODY_AFTER_SECONDS = 0.001  # long enough for a server with both cores busy to read the head alone


@dataclass(slots=True, eq=False)
class Channel:
    """One connection, and the request that is on it."""

    socket: socket.socket
    due: float = 0.0
    sent: float = 0.0
    busy: bool = False
    blocked: bool = False  # the kernel's buffer is full
    lacks_body: bool = False
    received: bytes = b""
    unsent: bytes = b""


@dataclass(slots=True)
class Generator:
    """Sends what is due and writes down what came of it. Times are seconds since ``started``."""

    url: str
    schedule: Iterator[float]
    seconds: float
    connections: int
    grace_seconds: float
    outcomes: TextIO
    #: Each body leaves so long after its head; 0: both in one write.
    body_after_seconds: float = 0.0
    started: float = 0.0
    parted: deque[tuple[float, Channel]] = field(default_factory=deque)
    waiting: deque[float] = field(default_factory=deque)
    free: list[Channel] = field(default_factory=list)
    channels: dict[int, Channel] = field(default_factory=dict)
    epoll: select.epoll = field(default_factory=select.epoll)
    before: bytes = b""
    after: bytes = b""
    body: bytes = b""
    salt: bytes = b""
    count: int = 0

    def run(self) -> dict[str, float]:
        """Send the whole schedule, wait for the last answers, and return the totals."""
        self.before, self.after = request.template(self.url).split(request.DELIVERY)
        if self.body_after_seconds:
            head, end, self.body = self.after.partition(_HEAD_END)
            self.after = head + end
        self.salt = uuid.uuid4().hex[:8].encode() + b"-0000-4000-8000-"
        for _ in range(self.connections):
            self.free.append(self._connect())
        cpu, self.started = time.process_time(), time.monotonic()
        self._send_all()
        unsent = len(self.waiting)
        self.waiting.clear()
        self._await_answers()
        for channel in list(self.channels.values()):
            if channel.busy:
                self._note(channel, _NO_ANSWER, b"")
            channel.socket.close()
        spent = time.process_time() - cpu
        sent = {"sent": self.count, "unsent": unsent}
        return {**sent, "cpu_seconds": spent, "started": self.started}

    def _send_all(self) -> None:
        due = next(self.schedule)
        while (now := self._now()) < self.seconds:
            due = self._send_due(due, now)
            again = due if self.free else self.seconds  # nothing can be sent before an answer
            self._receive(max(0.0, self._send_bodies(again) - self._now()))
        self._send_due(due, self.seconds)

    def _send_due(self, due: float, now: float) -> float:
        """Send everything that is due, from one on, or let it wait; the first that is not."""
        while due <= now:
            self.waiting.append(due)
            due = next(self.schedule)
        while self.waiting and self.free:
            self._send(self.free.pop(), self.waiting.popleft())
        return due

    def _send_bodies(self, until: float) -> float:
        """Send what is due of the bodies that follow their heads; when to do so again."""
        while self.parted and self.parted[0][0] <= self._now():
            _, channel = self.parted.popleft()
            if not channel.lacks_body:  # lost, or answered before it was sent
                continue
            channel.lacks_body = False
            channel.unsent += self.body
            self._write(channel)
        return min(until, self.parted[0][0]) if self.parted else until

    def _await_answers(self) -> None:
        deadline = self._now() + self.grace_seconds
        while any(channel.busy for channel in self.channels.values()) and self._now() < deadline:
            again = self._send_bodies(self._now() + 0.1)
            self._receive(max(0.0, again - self._now()))

    def _receive(self, timeout: float) -> None:
        """Wait for answers until the next request is due; select() counts microseconds."""
        ready, _, _ = select.select([self.epoll], [], [], timeout)
        if not ready:
            return
        for descriptor, events in self.epoll.poll(0):
            channel = self.channels[descriptor]
            if events & select.EPOLLOUT and channel.unsent:
                self._write(channel)
            if events & ~select.EPOLLOUT:
                self._read(channel)

    def _send(self, channel: Channel, due: float) -> None:
        self.count += 1
        channel.due, channel.sent, channel.busy = due, self._now(), True
        channel.unsent = self.before + self.salt + b"%012x" % self.count + self.after
        if self.body:
            channel.lacks_body = True
            self.parted.append((channel.sent + self.body_after_seconds, channel))
        self._write(channel)

    def _write(self, channel: Channel) -> None:
        try:
            written = channel.socket.send(channel.unsent)
        except BlockingIOError:
            written = 0
        except OSError:
            self._lost(channel)
            return
        channel.unsent = channel.unsent[written:]
        if bool(channel.unsent) != channel.blocked:  # only then does the kernel have to know
            channel.blocked = bool(channel.unsent)
            wanted = select.EPOLLIN | (select.EPOLLOUT if channel.blocked else 0)
            self.epoll.modify(channel.socket, wanted)

    def _read(self, channel: Channel) -> None:
        try:
            piece = channel.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._lost(channel)
            return
        channel.received += piece
        head, end, body = channel.received.partition(_HEAD_END)
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            self._note(channel, int(head[9:12]), channel.received)
            self._release(channel, closes=_CLOSES.search(head) is not None)

    def _release(self, channel: Channel, *, closes: bool) -> None:
        channel.busy, channel.received = False, b""
        if closes or channel.lacks_body:  # answered before it had all
            self._lost(channel)
        else:
            self.free.append(channel)

    def _lost(self, channel: Channel) -> None:
        """The server closed it: note the request that was on it, and connect again."""
        channel.lacks_body = False
        if channel.busy:
            self._note(channel, _NO_ANSWER, b"")
        elif channel in self.free:
            self.free.remove(channel)
        del self.channels[channel.socket.fileno()]
        channel.socket.close()
        self.free.append(self._connect())

    def _connect(self) -> Channel:
        parts = urlsplit(self.url)
        connection = socket.create_connection((parts.hostname, parts.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        channel = Channel(connection)
        self.channels[connection.fileno()] = channel
        self.epoll.register(connection, select.EPOLLIN)
        return channel

    def _note(self, channel: Channel, status: int, answer: bytes) -> None:
        event = _ID.search(answer) if answer else None
        times = " ".join(f"{t * 1e6:.0f}" for t in (channel.due, channel.sent, self._now()))
        retry = 1 if answer and _RETRY.search(answer) else 0
        self.outcomes.write(f"{times} {status} {retry} {event[1].decode() if event else '-'}\n")

    def _now(self) -> float:
        return time.monotonic() - self.started


def poisson(rate: float, chance: random.Random) -> Iterator[float]:
    """Times in seconds at which independent senders would send, so many a second on average."""
    at = 0.0
    while True:
        at += chance.expovariate(rate)
        yield at


def even(rate: float) -> Iterator[float]:
    """Times in seconds, equally far apart."""
    number = 0
    while True:
        number += 1
        yield number / rate


def main(arguments: Sequence[str] | None = None) -> None:
    """Send, write the outcomes, and print the totals as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--outcomes", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--grace", type=float, default=10.0, help="seconds for the last answers")
    parser.add_argument("--even", action="store_true", help="an even schedule, not a Poisson one")
    parser.add_argument("--seed", type=int, default=0, help="which Poisson schedule")
    parser.add_argument(
        "--segmented", action="store_true", help="each body a moment after its head"
    )
    said = parser.parse_args(arguments)
    times = even(said.rate) if said.even else poisson(said.rate, random.Random(said.seed))
    after = _BODY_AFTER_SECONDS if said.segmented else 0.0
    gc.disable()  # its pauses would be taken for the server's; nothing here is cyclic
    with said.outcomes.open("w", buffering=_BUFFER) as outcomes:
        generator = Generator(
            *(said.url, times, said.seconds, said.connections, said.grace, outcomes), after
        )
        totals = generator.run()
    print(json.dumps(totals))


if __name__ == "__main__":
    main()
