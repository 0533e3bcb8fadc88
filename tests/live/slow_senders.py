"""Senders that hold a connection for as long as they may: silent, in a head, a body, or deaf."""

import heapq
import selectors
import socket
import threading
import time
from collections import Counter
from itertools import count
from types import TracebackType
from typing import Self

_PIPELINED = 2  # each is an event: many would be a load of their own
_TRICKLE_SECONDS = 0.5
_LOOK_SECONDS = 0.01
_GOLDEN = 0.618  # its multiples, without their whole parts, are spread evenly
KINDS = ("idle", "head", "body", "read")


class SlowSenders:
    """``number`` of each kind ``to`` a source; heads and bodies get a byte twice a second.

    Each in a moment of its own, as senders that know nothing of each other: 500 bytes at once are
    a stall of the receiver's loop, not slowness.

    ``ended`` counts, by kind, those that the server has closed; ``again``: they come once more.
    ``over_seconds``: in which they come first, evenly, so that they do not all time out in one
    moment. A context manager.
    """

    def __init__(
        self,
        port: int,
        number: int,
        *,
        to: str = "/in/open",
        again: bool = False,
        over_seconds: float = 0.0,
    ) -> None:
        self._port = port
        head = f"POST {to} HTTP/1.1\r\nhost: hooks.test\r\n".encode()
        self._openings = {
            "idle": b"",
            "head": head + b"x-slow: ",
            "body": head + b"content-length: 100000\r\n\r\n",
            "read": (head + b"content-length: 1\r\n\r\nx") * _PIPELINED,
        }
        self._again = again
        self.ended: Counter[str] = Counter()
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._open: dict[socket.socket, str] = {}
        self._count = count()
        self._due: list[tuple[float, int, socket.socket]] = []  # a heap of who sends a byte next
        for _ in range(number):
            for kind in KINDS:
                self._begin(kind)
            self._stop.wait(over_seconds / number)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        for wire in list(self._open):
            wire.close()
        self._selector.close()

    def _begin(self, kind: str) -> None:
        wire = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        wire.sendall(self._openings[kind])
        wire.setblocking(False)
        self._open[wire] = kind
        if kind != "read":
            self._selector.register(wire, selectors.EVENT_READ)
        if kind in ("head", "body"):
            number = next(self._count)
            begins_at = time.monotonic() + number * _GOLDEN % 1 * _TRICKLE_SECONDS
            heapq.heappush(self._due, (begins_at, number, wire))

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(_LOOK_SECONDS):
                if isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)
            self._trickle(time.monotonic())

    def _hear(self, wire: socket.socket) -> None:
        try:
            said = wire.recv(65536)
        except OSError:
            said = b""
        if not said:
            self._end(wire)

    def _trickle(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            due_at, number, wire = heapq.heappop(self._due)
            if wire not in self._open:
                continue
            try:
                wire.send(b"a")
            except OSError:
                self._end(wire)
            else:
                heapq.heappush(self._due, (due_at + _TRICKLE_SECONDS, number, wire))

    def _end(self, wire: socket.socket) -> None:
        kind = self._open.pop(wire)
        self._selector.unregister(wire)
        wire.close()
        self.ended[kind] += 1
        if self._again:
            self._begin(kind)
