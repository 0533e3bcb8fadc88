"""Senders that hold a connection for as long as they may: silent, in a head, a body, or deaf."""

import selectors
import socket
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

_PIPELINED = 2  # each is an event: many would be a load of their own
_TRICKLE_SECONDS = 0.5
HEAD = b"POST /in/open HTTP/1.1\r\nhost: hooks.test\r\n"
KINDS = {
    "idle": b"",
    "head": HEAD + b"x-slow: ",
    "body": HEAD + b"content-length: 100000\r\n\r\n",
    "read": (HEAD + b"content-length: 1\r\n\r\nx") * _PIPELINED,
}


class SlowSenders:
    """``number`` connections of each kind; heads and bodies get a byte twice a second.

    ``ended`` counts, by kind, those that the server has closed; ``again``: they come once more. A
    context manager.
    """

    def __init__(self, port: int, number: int, *, again: bool = False) -> None:
        self._port = port
        self._again = again
        self.ended: Counter[str] = Counter()
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._open: dict[socket.socket, str] = {}
        for kind in KINDS:
            for _ in range(number):
                self._begin(kind)
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
        wire.sendall(KINDS[kind])
        wire.setblocking(False)
        self._open[wire] = kind
        if kind != "read":
            self._selector.register(wire, selectors.EVENT_READ)

    def _run(self) -> None:
        trickle_at = 0.0
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.1):
                if isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)
            if time.monotonic() >= trickle_at:
                trickle_at = time.monotonic() + _TRICKLE_SECONDS
                self._trickle()

    def _hear(self, wire: socket.socket) -> None:
        try:
            said = wire.recv(65536)
        except OSError:
            said = b""
        if not said:
            self._end(wire)

    def _trickle(self) -> None:
        for wire, kind in list(self._open.items()):
            if kind in ("head", "body"):
                try:
                    wire.send(b"a")
                except OSError:
                    self._end(wire)

    def _end(self, wire: socket.socket) -> None:
        kind = self._open.pop(wire)
        self._selector.unregister(wire)
        wire.close()
        self.ended[kind] += 1
        if self._again:
            self._begin(kind)
