"""One HTTP/1.1 connection: uvicorn's httptools protocol without four of its traps.

* What the parser collects is bounded while it comes. It copies a header at every piece of it and
  has no limit: 200 MB of one header stopped the event loop for 47 s, for every sender (measured;
  research/ops.md §0, finding 6: neither a limit nor a timeout).
* A request that offers an upgrade (h2c of ``curl --http2`` and Java's HttpClient) keeps its body.
  httptools skips it, and an event would be acknowledged with an empty one (measured). The offer
  is declined by reading the request as if it made none (RFC 9110 §7.8); its hop-by-hop
  ``Upgrade`` header is not kept.
* Trailers are not taken for headers (RFC 9110 §6.5.1).
* Too many connections are told when to come back, which uvicorn's own answer does not say.

And an answer leaves in one piece: see ``gathered.py``.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ingest import answers
from ingest.answers import Answer
from ingest.body import COMPLETE
from ingest.gathered import Gathered

#: Of a head, or of trailers, before they are complete. Twice what ``heading.py`` lets pass, so
#: that an honest mistake is counted and answered with a reason.
SILENT_BYTES = 65_536
HEAD_SECONDS = 10.0
#: Open connections; what comes on more than these is turned away, so that memory is bounded.
CONNECTIONS = 4_096
_ENTRANCE = b"/in/"
_INVALID = "Invalid HTTP request received."
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """What uvicorn makes for each connection: ``uvicorn.Config(http=...)``."""

    _silent = 0  # bytes since the last complete head or piece of a body
    _declining = False
    _head_timer: asyncio.TimerHandle | None = None
    _resting_since: float | None = None  # since the last answer, while no request has come
    _whole: list[bytes] | None = None  # pieces of an event that may come in one read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Begin to wait for the first head."""
        super().connection_made(Gathered(transport, self.loop.call_soon))
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
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._declining = True
            return
        if len(self.connections) > CONNECTIONS:
            self.app = _too_many
        if self._may_be_taken():
            self._whole = []
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
            self._take(b"".join(self._whole))
        elif not self._declining:
            self.scope[COMPLETE] = True  # type: ignore[literal-required]  # ours, not of ASGI
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin what was pipelined, or wait for the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
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
        """Whether this is an event's head, on a connection that owes no other answer."""
        path = self.url.partition(b"?")[0]
        return (
            self.parser.get_method() == b"POST"
            and path.startswith(_ENTRANCE)
            and path.count(b"/") == _ENTRANCE.count(b"/")
            and len(path) > len(_ENTRANCE)
            and path.isascii()
            and b"%" not in path
            and b"#" not in self.url
            and not self.expect_100_continue
            and self.parser.get_http_version() == "1.1"
            and not self._answering()
            and hasattr(self.app, "take")
        )

    def _take(self, whole: bytes) -> None:
        """Hand over an event that came whole; ``receive.py`` tells why not by ASGI."""
        self._whole = None
        path, _, query = self.url.partition(b"?")
        name = path[len(_ENTRANCE) :].decode("ascii")
        scope = cast("Scope", self.scope)
        scope.update(
            method="POST",
            path=path.decode("ascii"),
            raw_path=path,
            query_string=query,
            path_params={"source": name},
        )
        exchange = Exchange(keep_alive=self.parser.should_keep_alive())
        self.cycle = cast("RequestResponseCycle", exchange)
        cast("Taker", self.app).take(scope, whole, partial(self._reply, exchange))

    def _reply(self, exchange: "Exchange", answer: Answer) -> None:
        if exchange.disconnected:
            return
        exchange.response_complete = True
        close = answer.close or not exchange.keep_alive
        headers = [*self.server_state.default_headers, *answer.headers]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        length = b"content-length: %d\r\n" % len(answer.body)
        last = b"connection: close\r\n\r\n" if close else b"\r\n"
        cast("Gathered", self.transport).write_whole(
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


class Exchange:
    """An answer that a connection owes, in the place and the words of uvicorn's own cycle.

    uvicorn looks there when the sender leaves, pipelines a request, or the server stops.
    """

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.message_event = asyncio.Event()


class Taker(Protocol):
    """An application that takes whole events."""

    def take(self, scope: Scope, whole: bytes, reply: Callable[[Answer], None]) -> None:
        """Answer a request whose body is here; ``reply`` is called once."""


async def _too_many(_scope: Scope, receive: Receive, send: Send) -> None:
    answer = answers.unavailable("connections", "Too many connections are open.", close=True)
    await answers.send_answer(answer, receive, send)
