"""How long a connection may take: uvicorn's protocol with an end to every wait.

uvicorn waits for ever for a head, and for a sender to read its answers (research/ops.md §0, finding
6). Each wait here has a time (``edge.py``); a body has one of its own (``body.py``).
"""

import asyncio
from collections.abc import Sized

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest.edge import Edge
from ingest.exchange import Owed
from ingest.gathered import Gathered

_DEFAULT = Edge()


class Patient(HttpToolsProtocol):
    """The timers of a connection."""

    transport: Gathered
    cycle: Owed  # type: ignore[assignment]  # less than uvicorn's own cycle, and all it looks at
    edge: Edge
    _leaving = False  # whether the server stops
    _head_timer: asyncio.TimerHandle | None = None
    _end_timer: asyncio.TimerHandle | None = None  # ends the connection, whatever it does
    _resting_since: float | None = None  # since the last answer, while no request has come

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Begin to wait for the first head."""
        gathered = Gathered(transport, self.loop.call_soon, self._end_soon)
        super().connection_made(gathered)
        self.flow = _Flow(gathered, self.pipeline)
        self.edge = getattr(self.app, "edge", _DEFAULT)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        for timer in (self.timeout_keep_alive_task, self._end_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has rested for too long.

        One timer for many requests: one for each, as uvicorn has it, is a tenth of what turning a
        request away costs.
        """
        self.timeout_keep_alive_task = None
        if self._resting_since is None:
            return  # the next answer begins anew
        left = self._resting_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        """Give a sender a while to read its answers, which pile up."""
        super().pause_writing()
        self._end_soon()

    def resume_writing(self) -> None:
        """Go on with a sender that reads."""
        super().resume_writing()
        if self._end_timer is not None and not self.transport.is_closing():
            self._end_timer.cancel()
            self._end_timer = None

    def shutdown(self) -> None:
        """Finish what has begun, and answer what is on its way here.

        A connection that rests may be used by its sender in this very moment, and one that is
        closed then looks like a failure.
        """
        self._leaving = True
        if self._answering():
            self.cycle.keep_alive = False
        self.loop.call_later(self.edge.drain_seconds, self._leave)

    def _leave(self) -> None:
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()

    def _rest(self) -> None:
        """Begin to wait for the next request."""
        self._resting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._resting_since = None

    def _look_again_in(self, seconds: float) -> None:
        handler = self.timeout_keep_alive_handler
        self.timeout_keep_alive_task = self.loop.call_later(seconds, handler)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.edge.head_seconds, self._timed_out)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _timed_out(self) -> None:
        self._head_timer = None
        if self._answering():
            self._start_timer()
        else:
            self._give_up()

    def _give_up(self) -> None:
        """What was waited for did not come."""
        self.transport.close()

    def _end_soon(self) -> None:
        """End the connection, unless its sender begins to read."""
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(self.edge.head_seconds, self.transport.abort)


class _Flow(FlowControl):
    """Reads on only when nothing that was read still waits for its turn."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Let the sender go on, if all that it sent has begun."""
        if not self._waiting:
            super().resume_reading()
