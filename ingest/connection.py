"""One HTTP/1.1 connection: uvicorn's httptools protocol without its traps.

* What the parser collects is bounded while it comes. It copies a header at every piece of it and
  has no limit: 200 MB of one header stopped the event loop for 47 s, for every sender (measured;
  research/ops.md §0, finding 6: neither a limit nor a timeout).
* A head that means two things is refused (``framing.py``). What is refused is counted, answered
  after what was asked before it, and heard: a socket that is closed with unread bytes is reset.
* A request that offers an upgrade (h2c of ``curl --http2`` and Java's HttpClient) keeps its body.
  httptools skips it, and an event would be acknowledged with an empty one (measured). The offer
  is declined by reading the request as if it made none (RFC 9110 §7.8); its hop-by-hop
  ``Upgrade`` header is not kept.
* Trailers are not taken for headers (RFC 9110 §6.5.1).
* One address has a share of the connections, and too many are told when to come back.
* Nothing is read while a request that was read before waits for its turn. uvicorn reads on as each
  one begins: one is answered, and the next read brings thousands.

How long it may take is said in ``patience.py``, and an answer leaves in one piece: ``gathered.py``.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ingest import answers, framing
from ingest.answers import Answer
from ingest.body import COMPLETE, MALFORMED
from ingest.exchange import Exchange
from ingest.patience import Patient

#: Of a head, or of trailers, before they are complete. Twice what ``heading.py`` lets pass, so
#: that an honest mistake is counted and answered with a reason.
SILENT_BYTES = 65_536
#: A piece of a body makes up for so much of its framing, and twice its own length: ten bytes of
#: chunks and extensions for each byte of a body are a flood (CVE-2023-39326 was one).
_FRAMING_BYTES = 16
#: Open connections; what comes on more than these is turned away, so that memory is bounded.
CONNECTIONS = 4_096
#: Pipelined events that one read may have taken at once; others have their turn after these.
TAKES_A_READ = 16
#: Whoever was refused may finish its sentence: what it sends meanwhile is thrown away.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1_048_576
_ENTRANCE = b"/in/"
_FAILED = "Exception while an event was taken"

#: How an application takes an event that came whole: its scope, its body, and ``reply``, which is
#: called once. An application has it as its attribute ``take``, or has it not.
Take = Callable[[Scope, bytes, Callable[[Answer], None]], None]


class _Address(NamedTuple):
    """Where an event is sent: what the URL of a request says."""

    raw_path: bytes
    path: str
    source: str
    query: bytes


class _Refused(Exception):
    """Stops the parser. ``answer``: what the sender hears."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Connection(Patient):
    """What uvicorn makes for each connection: ``uvicorn.Config(http=...)``."""

    _take: Take
    _takes_a_read = 0  # none where the application does not take
    _takes_left = 0  # of this read
    _silent = 0  # bytes since the last complete head or piece of a body
    _unread = False  # whether the body of a request that has begun is still to come
    _version = ""  # of the last head
    _declining = False
    _refusal: Answer | None = None  # to be said, or said: nothing is read any more
    _lingered = 0
    _caller: str | None = None  # whose connection this counts as
    _is_proxy = False
    _sender: str | None = None  # whose request this proxy is sending
    _whole: list[bytes] | None = None  # pieces of an event that may come in one read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Find out who is there, and how the application takes events."""
        super().connection_made(transport)
        if hasattr(self.app, "take"):
            self._take, self._takes_a_read = self.app.take, TAKES_A_READ
        self._greet()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place to another one."""
        for address in (self._caller, self._sender):
            if address is not None:
                self.edge.callers.go(address)
        self._caller = self._sender = None  # an older request may still end after this
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as long as it leads anywhere."""
        self._unset_keepalive_if_required()
        if self._refusal is not None:
            self._linger(len(data))
            return
        self._silent += len(data)
        self._takes_left = self._takes_a_read
        try:
            self._parse(data)
            if self._whole is not None:
                self._go_on_by_asgi(self._whole)
        except (httptools.HttpParserError, _Refused) as error:
            self._refuse(self._answer_to(error))
            return
        if self._silent > SILENT_BYTES:
            self._refuse(framing.HEAD_TOO_LARGE)
        elif self._silent or (self._unread and not self._answering()):
            self._start_timer()
        else:
            self._stop_timer()

    def on_headers_complete(self) -> None:
        """Begin the request, or note that it has to be read again without its offer."""
        self._silent = 0
        if self.transport.is_closing():
            return  # what follows a request that closes is no request (RFC 9112 §9.6)
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._declining = True
            return
        self._check_head()
        if self._may_be_taken():
            self._whole = []
            self._takes_left -= 1
        else:
            self._begin()
        self.headers = []  # what comes after the head are trailers, and no part of it

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._silent = max(0, self._silent - _FRAMING_BYTES - 2 * len(body))
        if self._whole is None:
            super().on_body(body)
        else:
            self._whole.append(body)

    def on_message_complete(self) -> None:
        """End the request; one that offers an upgrade has not even begun."""
        self._silent = 0
        self._unread = False
        if self._whole is not None:
            self._hand_over(b"".join(self._whole))
        elif not self._declining:
            self.scope[COMPLETE] = True  # type: ignore[literal-required]  # ours, not of ASGI
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin what was pipelined, or wait for the next request."""
        self.server_state.total_requests += 1
        if self._sender is not None:
            self.edge.callers.go(self._sender)
            self._sender = None
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        if self._refusal is not None:
            self._say_no(self._refusal)
            return
        self.flow.resume_reading()
        if self._unread:
            self._start_timer()  # the answer did not wait for the body, and nor do we for ever
        self._rest()

    def _greet(self) -> None:
        """Have a connection counted, or refuse it before it sends anything."""
        callers, address = self.edge.callers, self.client[0] if self.client else ""
        self._is_proxy = callers.is_proxy(address)
        if callers.counts(address):
            if callers.come(address):
                self._caller = address
            else:
                self._refuse(answers.CROWDED)
                if len(self.connections) > CONNECTIONS // 2:
                    self.transport.close()  # who floods must not take every place by lingering

    def _check_head(self) -> None:
        """Raise _Refused for a head that leads nowhere."""
        self._version = self.parser.get_http_version()
        wrong = framing.wrong_with(self.url, self._version, self.headers)
        if wrong is not None:
            raise _Refused(wrong)
        if _address(self.url) is None and framing.too_large(self.url, self.headers):
            raise _Refused(framing.HEAD_TOO_LARGE)  # an event's is counted under its source
        if len(self.connections) > CONNECTIONS:
            raise _Refused(answers.CONNECTIONS)

    def _begin(self) -> None:
        """Begin a request by ASGI; its body may take its time."""
        if self._is_proxy and self._sender is None:
            sender = self.edge.callers.behind(self.scope["headers"])
            if sender is not None:
                if not self.edge.callers.come(sender):
                    raise _Refused(answers.CROWDED)
                self._sender = sender
        super().on_headers_complete()
        self._unread = True
        if self._leaving:
            self.cycle.keep_alive = False

    def _may_be_taken(self) -> bool:
        """Whether this is an event's head, on a connection that owes no other answer.

        And one whose sender reads: by ASGI, an answer waits until there is room to send it.
        """
        return (
            self._takes_left > 0
            and not self.flow.write_paused
            and self.parser.get_method() == b"POST"
            and _address(self.url) is not None
            and not self.expect_100_continue
            and self._version == "1.1"
            and not self._answering()
        )

    def _hand_over(self, whole: bytes) -> None:
        """Have an event taken that came whole; ``receive.py`` tells why not by ASGI."""
        self._whole = None
        address = _address(self.url)
        assert address is not None  # or it would not have been taken
        scope: Scope = {  # what a receiver reads of one
            "method": "POST",
            "path": address.path,
            "raw_path": address.raw_path,
            "query_string": address.query,
            "path_params": {"source": address.source},
            "headers": self.scope["headers"],
        }
        keep_alive = self.parser.should_keep_alive() and not self._leaving
        self.cycle = exchange = Exchange(keep_alive=keep_alive)
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
        self._write(answer, close=close)
        if close:
            self.transport.close()
        self.on_response_complete()

    def _write(self, answer: Answer, *, close: bool) -> None:
        headers = (*self.server_state.default_headers, *answer.headers)
        self.transport.write_whole(
            _head(answer.status, headers, len(answer.body), close) + answer.body
        )

    def _go_on_by_asgi(self, pieces: list[bytes]) -> None:
        """Begin the request as uvicorn does: its body takes longer than one read."""
        self._whole = None
        self._begin()
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

    def _answer_to(self, error: Exception) -> Answer:
        """What to say of a parser that stopped; it wraps what its callbacks raise."""
        cause = error if isinstance(error, _Refused) else error.__context__
        if isinstance(cause, _Refused):
            return cause.answer
        if cause is None or isinstance(cause, httptools.HttpParserError):
            return framing.MALFORMED
        self.logger.error(_FAILED, exc_info=cause)
        return answers.FAILED

    def _refuse(self, answer: Answer) -> None:
        """Say no, after all that was asked before; nothing is read any more."""
        self._refusal, self._whole = answer, None
        self._stop_timer()
        if self._unread and self.pipeline:
            self.pipeline.popleft()  # the one that goes wrong has not begun: the newest is left
        elif self._unread:
            self._break_off(answer)
            return
        self.edge.refused(answer)
        if self.pipeline or self._answering():
            self.flow.pause_reading()
        else:
            self._say_no(answer)

    def _break_off(self, answer: Answer) -> None:
        """End a request that goes wrong in its body; who serves it is told that its sender left."""
        cycle = self.cycle
        if cycle.response_complete or cycle.response_started:
            self.transport.close()
            return
        self.scope[MALFORMED] = True  # type: ignore[literal-required]  # ours, not of ASGI
        cycle.disconnected = True
        cycle.message_event.set()
        self._say_no(answer)

    def _say_no(self, answer: Answer) -> None:
        """Answer, and hear the rest of the sentence: unread bytes would reset the connection."""
        self._write(answer, close=True)
        self.transport.write_eof()
        self.flow.resume_reading()
        self._head_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _linger(self, size: int) -> None:
        self._lingered += size
        if self._lingered > _LINGER_BYTES:
            self.transport.close()

    def _give_up(self) -> None:
        """Close; a sender in the middle of its head is told why."""
        if self._silent and not self._unread:
            self._refuse(framing.HEAD_TOO_SLOW)
        else:
            super()._give_up()


@lru_cache(maxsize=256)  # senders have few addresses, and each sends again and again
def _address(url: bytes) -> _Address | None:
    """Read the URL of an event; None: it is not one, or not spelled as plainly as ours are."""
    path, _, query = url.partition(b"?")
    source = path.removeprefix(_ENTRANCE)
    if len(source) == len(path) or not source or not path.isascii() or b"%" in path:
        return None
    if b"/" in source:
        return None
    return _Address(path, path.decode("ascii"), source.decode("ascii"), query)


@lru_cache(maxsize=64)  # within a second, answers differ in little but their bodies
def _head(status: int, headers: tuple[tuple[bytes, bytes], ...], size: int, close: bool) -> bytes:  # noqa: FBT001 - of this module alone
    lines = [name + b": " + value + b"\r\n" for name, value in headers]
    length = b"content-length: %d\r\n" % size
    last = b"connection: close\r\n\r\n" if close else b"\r\n"
    return b"".join([STATUS_LINE[status], *lines, length, last])
