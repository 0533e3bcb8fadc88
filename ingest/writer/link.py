"""The receiver's end of its writer: what arrives goes out, what the writer says is passed on.

Whatever was handed over within one turn of the event loop goes out together, so frames grow with
the load and a lone arrival waits for nobody; a long turn sends many. The writer answers in order.
Who waits too long gets StoreUnavailable, and so does everyone when the writer dies: nothing was
acknowledged, and a new one is started. One that stands still is killed.
"""

import asyncio
import socket
import time
from collections.abc import Callable

import structlog

from ingest.errors import StoreRefused, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.learning import Lesson
from ingest.rejection import RejectedRequest
from ingest.writer import wire
from ingest.writer.outbox import Outbox
from ingest.writer.outstanding import Outstanding
from ingest.writer.spawning import Spawned, Started, spawn, start
from ingest.writer.waiting import Done, Waiting
from ingest.writer.wire import Condition, Learned, Orders, Outcome, Parcel, Said, Settled

logger = structlog.get_logger(__name__)

FRAME_EVENTS = 32  # the writer has work while a long turn of the loop goes on

# A writer's start and end.
_RESTART_SECONDS = (0.1, 5.0)  # the first and the longest pause before a new writer
_GOODBYE_SECONDS = 8.0  # less than uvicorn gives the whole receiver

# A writer that lives says so twice a second (pulse.py), even while its commit waits.
_WATCH_SECONDS = 1.0  # between two looks
_FIRST_WORD_LOOKS = 30  # in vain, before a new writer has said anything: it is being loaded
_SILENT_LOOKS = 5  # in vain, before it is taken for one that stands still

_STALLED_SECONDS = 5.0  # a commit that takes longer than this makes the process not ready


class Writer:
    """Commits arrivals for one event loop, through a process that it starts and keeps alive.

    ``timeout_seconds`` covers waiting and committing. ``start_process`` gets the writer's end of
    the socket; ``early`` is one that was started already, and is the first. ``on_learned`` gets
    the learned secrets, at first and whenever they change.
    """

    def __init__(
        self,
        orders: Orders,
        *,
        timeout_seconds: float = 0.9,
        start_process: Callable[[socket.socket], Spawned] = spawn,
        early: Started | None = None,
        on_learned: Callable[[Learned], None] = lambda _learned: None,
    ) -> None:
        self._orders = orders
        self._on_learned = on_learned
        self._start_process = start_process
        self._early = early
        self._process: Spawned | None = None
        self._transport: asyncio.Transport | None = None  # hears the writer
        self._outbox: Outbox | None = None  # tells it
        self._parcels: list[Parcel] = []  # of this turn of the event loop
        self._waiting = Waiting(timeout_seconds)
        self._rejected = Outstanding()
        self._looks_left = 0  # at a writer that says nothing
        self._starting: asyncio.Task[None] | None = None  # the next writer
        self._stopping = False
        self._ended = asyncio.Event()
        self._opened: asyncio.Future[None] | None = None
        self._trouble = "the database is being opened"
        self._well_at = time.monotonic()
        self._restart_seconds = _RESTART_SECONDS[0]

    async def start(self, *, patience_seconds: float = 5.0) -> None:
        """Start the writer, and wait for its first try to open the database.

        Raises StoreRefused where it must not be used. One that cannot be reached, or takes
        longer than ``patience_seconds``, is no reason not to start: see ``trouble``.
        """
        opened = self._opened = asyncio.get_running_loop().create_future()
        await self._connect()
        await asyncio.wait({opened}, timeout=patience_seconds)
        self._opened = None  # a refusal that comes later is trouble; nobody would retrieve it
        if opened.done():
            opened.result()

    async def stop(self) -> None:
        """Have what waits committed, and the writer ended."""
        self._stopping = True
        if self._starting is not None:
            await asyncio.wait({self._starting})  # or nobody would end what it starts
        if self._transport is None or self._outbox is None:
            return
        self._send()
        self._outbox.end()
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            logger.warning("writer.killed", hint="It did not end; nothing acknowledged is lost.")
            if self._process is not None:
                self._process.kill()
            await self._ended.wait()

    async def accept(self, arrival: Arrival | Lesson) -> Accepted:
        """Return once the arrival (or lesson) is committed and fsynced.

        Raises StoreUnavailable (nothing was acknowledged) and RowRejected (a data error).
        """
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.submit(arrival, lambda said: None if waiter.done() else waiter.set_result(said))
        outcome = await waiter
        if isinstance(outcome, Accepted):
            return outcome
        raise outcome

    def keep(self, request: RejectedRequest) -> bool:
        """Have a rejected request kept sometime; False where it cannot be sent now."""
        if self._stopping or self._outbox is None or self.away or not self._rejected.add(request):
            return False
        self._outbox.send(wire.rejected_frame(request))
        return True

    def submit(self, arrival: Arrival | Lesson, done: Done) -> None:
        """Have an arrival or a lesson committed; ``done`` gets the outcome, once: never raises.

        A lesson is ``Accepted`` where its secret was learned, else ``RowRejected``.
        """
        if self._stopping or self.away or self.full:
            done(StoreUnavailable(self._trouble or "The receiver is stopping, or too busy."))
            return
        if not self._parcels:
            asyncio.get_running_loop().call_soon(self._send)
        size = len(arrival.body) if isinstance(arrival, Arrival) else 0
        deadline = self._waiting.add(size, done)
        self._parcels.append(Parcel(deadline, arrival))
        if len(self._parcels) >= FRAME_EVENTS:
            self._send()

    @property
    def away(self) -> bool:
        """Whether there is no writer now."""
        return self._transport is None

    @property
    def full(self) -> bool:
        """Whether one more would wait in vain."""
        return self._waiting.full

    @property
    def trouble(self) -> str | None:
        """Why nothing can be committed, for people; None while all is well."""
        if self._trouble:
            return self._trouble
        if time.monotonic() - self._well_at > _STALLED_SECONDS:
            return f"no commit has ended for {_STALLED_SECONDS:.0f} s"
        return None

    def connected(self, transport: asyncio.Transport) -> None:
        """Begin to send: first of all the orders."""
        self._transport = transport
        self._outbox = Outbox(transport.get_extra_info("socket"))
        self._outbox.send(wire.orders_frame(self._orders))
        self._looks_left = _FIRST_WORD_LOOKS
        asyncio.get_running_loop().call_later(_WATCH_SECONDS, self._watch, transport)

    def writer_said(self, said: Said) -> None:
        """Take in what came from the writer; None: that it lives."""
        self._looks_left = _SILENT_LOOKS
        if isinstance(said, Condition):
            self._note_condition(said)
        elif isinstance(said, Settled):
            self._rejected.settle(said.requests)
        elif isinstance(said, Learned):
            self._on_learned(said)
        elif said is not None:
            self._well_at = time.monotonic()
            self._waiting.answer(said)

    def lost(self) -> None:
        """Tell everyone who waits that the writer is gone, and start another."""
        self._transport = None
        if self._outbox is not None:
            self._outbox.close()
        self._parcels.clear()
        self._rejected.clear()
        self._waiting.disappoint("The writer process ended before it had committed.")
        if self._process is not None:
            asyncio.get_running_loop().run_in_executor(None, self._process.wait)
        if self._stopping:
            self._ended.set()
            return
        self._trouble = "the writer process ended; a new one is being started"
        logger.error("writer.ended", restart_in_seconds=self._restart_seconds)
        self._restart_later()

    def _restart_later(self) -> None:
        asyncio.get_running_loop().call_later(self._restart_seconds, self._restart)
        self._restart_seconds = min(self._restart_seconds * 2, _RESTART_SECONDS[1])

    def _restart(self) -> None:
        if self._stopping:
            self._ended.set()
        else:
            self._starting = asyncio.ensure_future(self._reconnect())

    async def _reconnect(self) -> None:
        try:
            await self._connect()
        except OSError as error:  # no process or descriptor to be had: there will be again
            self._trouble = f"the writer process cannot be started: {error}"
            logger.error("writer.not_started", reason=str(error))  # noqa: TRY400 - no mistake of ours
            self._restart_later()

    async def _connect(self) -> None:
        started, self._early = self._early or start(self._start_process), None
        self._process = started.process
        await asyncio.get_running_loop().create_connection(lambda: _Ear(self), sock=started.end)

    def _send(self) -> None:
        parcels, self._parcels = self._parcels, []
        if not parcels or self._transport is None or self._outbox is None:
            return
        try:
            frame = wire.parcels_frame(parcels)
        except ValueError:  # a mistake of ours; unsent, they would be given the answers of others
            logger.exception("writer.unsendable", events=len(parcels))
            self._transport.abort()
        else:
            self._outbox.send(frame)

    def _watch(self, transport: asyncio.Transport) -> None:
        """Kill a writer that stands still: it holds locks, and everyone would wait for ever.

        Looks are counted, not seconds: where this process was stopped as well, nobody was silent.
        """
        if transport is not self._transport:
            return  # it has ended
        self._looks_left -= 1
        if self._looks_left > 0 or self._process is None:
            asyncio.get_running_loop().call_later(_WATCH_SECONDS, self._watch, transport)
            return
        logger.error("writer.silent", hint="It is killed; nothing acknowledged is lost.")
        self._process.kill()

    def _note_condition(self, condition: Condition) -> None:
        opened = self._opened
        if opened is not None and not opened.done():
            if condition.refused:
                opened.set_exception(StoreRefused(condition.trouble))
            else:
                opened.set_result(None)
        self._trouble = condition.trouble
        if not condition.trouble:
            self._well_at = time.monotonic()
            self._restart_seconds = _RESTART_SECONDS[0]


class _Ear(asyncio.Protocol):
    """Hears the writer for a ``Writer``."""

    def __init__(self, owner: Writer) -> None:
        self._owner = owner
        self._frames = wire.Frames()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio's own narrowing
        self._owner.connected(transport)

    def data_received(self, data: bytes) -> None:
        for value in self._frames.feed(data):
            self._owner.writer_said(wire.read_answer(value))

    def connection_lost(self, _error: Exception | None) -> None:
        self._owner.lost()
