"""One HTTP/1.1 connection: uvicorn's httptools protocol without five of its traps.

* What the parser collects is bounded while it comes. It copies a header at every piece of it and
  has no limit: 200 MB of one header stopped the event loop for 47 s, for every sender (measured;
  research/ops.md §0, finding 6: neither a limit nor a timeout).
* A request that offers an upgrade (h2c of ``curl --http2`` and Java's HttpClient) keeps its body.
  httptools skips it, and an event would be acknowledged with an empty one (measured). The offer
  is declined by reading the request as if it made none (RFC 9110 §7.8); its hop-by-hop
  ``Upgrade`` header is not kept.
* Trailers are not taken for headers (RFC 9110 §6.5.1).
* Too many connections are told when to come back, which uvicorn's own answer does not say.
* Nothing is read while a request that was read before waits for its turn. uvicorn reads on as each
  one begins: one is answered, and the next read brings thousands.

And an answer leaves in one piece: see ``gathered.py``.
"""

import asyncio
from collections.abc import Callable, Sized
from functools import partial

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ingest import answers
from ingest.answers import Answer
from ingest.body import COMPLETE
from ingest.exchange import Exchange, Owed
from ingest.gathered import Gathered

#: Of a head, or of trailers, before they are complete. Twice what ``heading.py`` lets pass, so
#: that an honest mistake is counted and answered with a reason.
SILENT_BYTES = 65_536
HEAD_SECONDS = 10.0
#: Open connections; what comes on more than these is turned away, so that memory is bounded.
CONNECTIONS = 4_096
#: Pipelined events that one read may have taken at once; others have their turn after these.
TAKES_A_READ = 16
_ENTRANCE = b"/in/"
_INVALID = "Invalid HTTP request received."
_FAILED = "Exception while an event was taken"
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)

#: How an application takes an event that came whole: its scope, its body, and ``reply``, which is
#: called once. An application has it as its attribute ``take``, or has it not.
Take = Callable[[Scope, bytes, Callable[[Answer], None]], None]


class Connection(HttpToolsProtocol):
    """What uvicorn makes for each connection: ``uvicorn.Config(http=...)``."""

    transport: Gathered
    cycle: Owed  # type: ignore[assignment]  # less than uvicorn's own cycle, and all it looks at
    _take: Take
    _takes_a_read = 0  # none where the application does not take
    _takes_left = 0  # of this read
    _silent = 0  # bytes since the last complete head or piece of a body
    _declining = False
    _head_timer: asyncio.TimerHandle | None = None
    _resting_since: float | None = None  # since the last answer, while no request has come
    _whole: list[bytes] | None = None  # pieces of an event that may come in one read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Begin to wait for the first head."""
        gathered = Gathered(transport, self.loop.call_soon)
        super().connection_made(gathered)
        self.flow = _Flow(gathered, self.pipeline)
        if hasattr(self.app, "take"):
            self._take, self._takes_a_read = self.app.take, TAKES_A_READ
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as long as it leads anywhere."""
        self._unset_keepalive_if_required()
        self._silent += len(data)
        self._takes_left = self._takes_a_read
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.logger.warning(_INVALID)
            self.send_400_response(_INVALID)
            return
        if self._whole is not None:
            self._go_on_by_asgi(self._whole)
        if self._silent > SILENT_BYTES:
            self._refuse()
        elif not self._silent:
            self._stop_timer()
        elif self._head_timer is None:
            self._start_timer()

    def on_headers_complete(self) -> None:
        """Begin the request, or note that it has to be read again without its offer."""
        self._silent = 0
        if self.transport.is_closing():
            return  # what follows a request that closes is no request (RFC 9112 §9.6)
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._declining = True
            return
        if len(self.connections) > CONNECTIONS:
            self.app, self._takes_a_read, self._takes_left = _too_many, 0, 0
        if self._may_be_taken():
            self._whole = []
            self._takes_left -= 1
        else:
            super().on_headers_complete()
        self.headers = []  # what comes after the head are trailers, and no part of it

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._silent = 0
        if self._whole is None:
            super().on_body(body)
        else:
            self._whole.append(body)

    def on_message_complete(self) -> None:
        """End the request; one that offers an upgrade has not even begun."""
        if self._whole is not None:
            self._hand_over(b"".join(self._whole))
        elif not self._declining:
            self.scope[COMPLETE] = True  # type: ignore[literal-required]  # ours, not of ASGI
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin what was pipelined, or wait for the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self.flow.resume_reading()
        self._resting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

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

    def _unset_keepalive_if_required(self) -> None:
        self._resting_since = None

    def _look_again_in(self, seconds: float) -> None:
        handler = self.timeout_keep_alive_handler
        self.timeout_keep_alive_task = self.loop.call_later(seconds, handler)

    def _may_be_taken(self) -> bool:
        """Whether this is an event's head, on a connection that owes no other answer.

        And one whose sender reads: by ASGI, an answer waits until there is room to send it.
        """
        path = self.url.partition(b"?")[0]
        return (
            self._takes_left > 0
            and not self.flow.write_paused
            and self.parser.get_method() == b"POST"
            and path.startswith(_ENTRANCE)
            and path.count(b"/") == _ENTRANCE.count(b"/")
            and len(path) > len(_ENTRANCE)
            and path.isascii()
            and b"%" not in path
            and b"#" not in self.url
            and not self.expect_100_continue
            and self.parser.get_http_version() == "1.1"
            and not self._answering()
        )

    def _hand_over(self, whole: bytes) -> None:
        """Have an event taken that came whole; ``receive.py`` tells why not by ASGI."""
        self._whole = None
        path, _, query = self.url.partition(b"?")
        scope: Scope = {
            **self.scope,
            "method": "POST",
            "path": path.decode("ascii"),
            "raw_path": path,
            "query_string": query,
            "path_params": {"source": path[len(_ENTRANCE) :].decode("ascii")},
        }
        self.cycle = exchange = Exchange(keep_alive=self.parser.should_keep_alive())
        reply = partial(self._reply, exchange)
        try:
            self._take(scope, whole, reply)
        except Exception:
            self.logger.exception(_FAILED)
            reply(answers.FAILED)  # the parser would make a 400 of it: a mistake of the sender

    def _reply(self, exchange: Exchange, answer: Answer) -> None:
        if exchange.disconnected or exchange.response_complete:
            return
        exchange.response_complete = True
        close = answer.close or not exchange.keep_alive
        headers = [*self.server_state.default_headers, *answer.headers]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        length = b"content-length: %d\r\n" % len(answer.body)
        last = b"connection: close\r\n\r\n" if close else b"\r\n"
        self.transport.write_whole(
            b"".join([STATUS_LINE[answer.status], *lines, length, last, answer.body])
        )
        if close:
            self.transport.close()
        self.on_response_complete()

    def _go_on_by_asgi(self, pieces: list[bytes]) -> None:
        """Begin the request as uvicorn does: its body takes longer than one read."""
        self._whole = None
        super().on_headers_complete()
        for piece in pieces:
            super().on_body(piece)

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                rest = rest[offer.args[0] :]
                self._decline()
            else:
                return

    def _decline(self) -> None:
        """Read the head again, by a new parser, without the header that makes the offer."""
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self._declining = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _refuse(self) -> None:
        if not self._answering():
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        """Close a connection whose next head did not come; a body has a time of its own."""
        if self._answering():
            self._start_timer()
        else:
            self.transport.close()


class _Flow(FlowControl):
    """Reads on only when nothing that was read still waits for its turn."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Let the sender go on, if all that it sent has begun."""
        if not self._waiting:
            super().resume_reading()


async def _too_many(_scope: Scope, receive: Receive, send: Send) -> None:
    answer = answers.unavailable("connections", "Too many connections are open.", close=True)
    await answers.send_answer(answer, receive, send)
