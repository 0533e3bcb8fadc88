"""The writer's end of the socket: arrivals come in, answers go out; blocking.

For one thread, and another one that sends the pulse.
"""

import select
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from ingest.rejection import RejectedRequest
from ingest.writer import wire
from ingest.writer.wire import Condition, Learned, Orders, Outcome, Parcel, Settled

_READ_BYTES = 1 << 20


class WriterEnd:
    """Reads what the receiver sent. ``ended``: it will send nothing more.

    ``rejected``: the requests to keep that came meanwhile; whoever keeps them takes them out.
    """

    def __init__(self, end: socket.socket) -> None:
        self.rejected: deque[RejectedRequest] = deque()
        self._socket = end
        self._readiness = select.poll()  # select() takes no descriptor above 1,023; poll() does
        self._readiness.register(end, select.POLLIN)
        self._frames = wire.Frames()
        self._values: deque[Any] = deque()
        self._writing = threading.Lock()  # a frame goes out whole
        self.ended = False

    def orders(self) -> Orders | None:
        """Wait for the first frame; None where the receiver has gone."""
        while not self._values and not self.ended:
            self._read()
        return Orders(*self._values.popleft()) if self._values else None

    def receive(self, wait_seconds: float) -> list[Parcel]:
        """Return what has come, waiting at most this long for it, or for the rest of a frame."""
        while not self._values and not self.ended and self._readable(wait_seconds):
            self._read()
        parcels: list[Parcel] = []
        while self._values:
            value = self._values.popleft()
            if isinstance(value, tuple):
                self.rejected.append(RejectedRequest(*value))
            else:
                parcels += wire.read_parcels(value)
        return parcels

    def answer(self, outcomes: Sequence[Outcome]) -> None:
        """Tell what became of the oldest parcels."""
        self._write(wire.outcomes_frame(outcomes))

    def tell(self, condition: Condition) -> None:
        """Tell how the database is."""
        self._write(wire.condition_frame(condition))

    def settle(self, settled: Settled) -> None:
        """Tell that rejected requests are done with."""
        self._write(wire.settled_frame(settled))

    def teach(self, learned: Learned) -> None:
        """Tell which learned secrets are in force."""
        self._write(wire.learned_frame(learned))

    def beat(self) -> bool:
        """Tell that this process lives. Returns whether anybody hears it."""
        return self._write(wire.PULSE)

    def _readable(self, wait_seconds: float) -> bool:
        return bool(self._readiness.poll(wait_seconds * 1000))

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except ConnectionError:
            data = b""
        self.ended = not data
        self._values.extend(self._frames.feed(data))

    def _write(self, frame: bytes) -> bool:
        try:
            with self._writing:
                self._socket.sendall(frame)
        except OSError:  # the receiver is gone; what came is committed still
            return False
        return True
