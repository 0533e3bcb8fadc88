"""``/in/{source}``: prove the request, commit it, and only then say so.

A bare ASGI endpoint, and a shorter way for an event that came whole (``take``). Every request
is counted once when it starts and once when it ends, whatever happens in between (design,
promise 3), and leaves one log line.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog
import uuid_utils
from starlette.types import Receive, Scope, Send

from ingest import answers, body, handshake
from ingest.answers import Answer, Outcome
from ingest.config.model import Config, Source
from ingest.credentials import CredentialKey
from ingest.entrances import Entrance, Entrances
from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.heading import Heading, read_heading
from ingest.health import Health
from ingest.shed import Shed
from ingest.verify import Reason, Rejected, Request, Verified, dedupe_key, verify

logger = structlog.get_logger(__name__)

#: Bodies from here on are hashed and verified beside the event loop: 25 MB take it 30 ms.
_LARGE_BODY = 1 << 20
_SHOWN_NAME = 100


#: What became of an arrival, and what hears how a request ended.
Stored = Accepted | StoreUnavailable | RowRejected
Reply = Callable[[Answer], None]


class Acceptor(Protocol):
    """What the receiver needs of the writer."""

    @property
    def away(self) -> bool:
        """Whether nobody is there to commit anything."""

    @property
    def full(self) -> bool:
        """Whether one more would wait in vain."""

    async def accept(self, arrival: Arrival) -> Accepted:
        """Return after the commit. Raises StoreUnavailable and RowRejected."""

    def submit(self, arrival: Arrival, done: Callable[[Stored], None]) -> None:
        """Call ``done`` once, after the commit or with why there was none."""


@dataclass(slots=True)
class _Visit:
    """One request, and what becomes known of it until its log line is written."""

    entrance: Entrance
    lease: body.Lease
    name: str
    method: str
    now: int
    started: float
    trace_id: str
    heading: Heading = field(init=False)  # of a request that was let in
    size: int = 0
    event_id: str = ""
    event_type: str = ""
    detail: str = ""


class Receiver:
    """The endpoint. ``clock``: ms since the epoch. ``public_url``: as senders know this server."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        acceptor: Acceptor,
        key: CredentialKey,
        health: Health,
        in_flight: body.InFlight,
        public_url: str | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._entrances = Entrances(config)
        self._acceptor = acceptor
        self._key = key
        self._health = health
        self._in_flight = in_flight
        self._public_url = public_url
        self._clock = clock
        self._log = logger.bind()  # a lazy logger finds itself anew at every call: 5 us
        self._shed = Shed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; count and log it, whatever comes."""
        turned_away = self._turned_away(scope)
        if turned_away is not None:
            await answers.send_answer(turned_away, receive, send)
            return
        visit = self._begin(scope)
        answer = answers.FAILED
        try:
            answer = await self._answer(scope, visit, receive)
        except body.ClientDisconnected:
            answer = answers.disconnected()
        except asyncio.CancelledError:
            answer = answers.unavailable("cancelled", "The receiver is stopping.")
            raise
        except Exception:
            logger.exception("request.failed", trace_id=visit.trace_id)
        finally:
            self._end(visit, answer)
        await answers.send_answer(answer, receive, send)

    def take(self, scope: Scope, whole: bytes, reply: Reply) -> None:
        """Answer a request whose body is here already, without a task of its own.

        What ASGI costs a small event (a task, its messages, a wake-up) is a quarter of what the
        event costs. ``reply`` is called once, now or after the commit.
        """
        turned_away = self._turned_away(scope)
        if turned_away is not None:
            reply(turned_away)
            return
        visit = self._begin(scope)
        answer: Answer | None = answers.FAILED
        try:
            answer = self._taken(scope, visit, whole, reply)
        except Exception:
            logger.exception("request.failed", trace_id=visit.trace_id)
        if answer is not None:
            self._end(visit, answer)
            reply(answer)

    def _taken(self, scope: Scope, visit: _Visit, whole: bytes, reply: Reply) -> Answer | None:
        """The steps of ``_answer``; None where the answer comes after the commit.

        None of them beside the event loop: one read brings a quarter of a ``_LARGE_BODY`` at most.
        """
        source = self._admitted(scope, visit)
        if isinstance(source, Answer):
            return source
        try:
            visit.lease.hold(len(whole), source.max_body, more=False)
        except body.NotTaken as error:
            return _not_taken(source, error)
        judged = self._judge(source, visit, whole)
        if isinstance(judged, Answer):
            return judged
        self._acceptor.submit(judged, partial(self._stored, source, visit, reply))
        return None

    def _stored(self, source: Source, visit: _Visit, reply: Reply, stored: Stored) -> None:
        answer = answers.FAILED
        try:
            answer = _said(source, visit, stored)
        except Exception:
            logger.exception("request.failed", trace_id=visit.trace_id)
        self._end(visit, answer)
        reply(answer)

    async def _answer(self, scope: Scope, visit: _Visit, receive: Receive) -> Answer:
        """Admit the request, take its body in, judge it, have it stored, say so."""
        source = self._admitted(scope, visit)
        if isinstance(source, Answer):
            return source
        declared, complete = visit.heading.content_length, scope.get(body.COMPLETE, False)
        try:
            whole = await body.read_body(
                receive, declared, source.max_body, visit.lease, complete=complete
            )
        except body.NotTaken as error:
            return _not_taken(source, error)
        if len(whole) < _LARGE_BODY:
            judged = self._judge(source, visit, whole)
        else:
            judged = await asyncio.to_thread(self._judge, source, visit, whole)
        if isinstance(judged, Answer):
            return judged
        stored: Stored
        try:
            stored = await self._acceptor.accept(judged)
        except (StoreUnavailable, RowRejected) as error:
            stored = error
        return _said(source, visit, stored)

    def _begin(self, scope: Scope) -> _Visit:
        name = scope["path_params"]["source"]
        entrance = self._entrances.find(name)
        entrance.begin()
        return _Visit(
            entrance=entrance,
            lease=self._in_flight.lease(),
            name=name,
            method=scope["method"],
            now=self._clock(),
            started=time.perf_counter(),
            # A name, no secret: os.urandom would be a system call for every request.
            trace_id=f"{random.getrandbits(128):032x}",
        )

    def _admitted(self, scope: Scope, visit: _Visit) -> Source | Answer:
        """The request's source, or what can be said before the body is read."""
        visit.heading = heading = read_heading(scope, self._public_url, visit.trace_id)
        visit.trace_id = heading.trace_id
        source = visit.entrance.source
        if source is None:
            return answers.rejected(404, "unknown_source", "No source has this name.")
        allowed = handshake.methods(source.provider)
        if visit.method not in allowed:
            return answers.wrong_method(allowed)
        if heading.too_large:
            return answers.rejected(431, "head_too_large", "The headers are too many or too long.")
        return source

    def _turned_away(self, scope: Scope) -> Answer | None:
        """What to say where nobody is let in now, before any work is done; it is counted."""
        answer = self._shedding()
        if answer is None:
            return None
        entrance = self._entrances.find(scope["path_params"]["source"])
        if entrance.source is None:
            return None
        entrance.begin()
        entrance.end(answer, 0, 0.0)
        self._shed.add(entrance.label, answer.reason)
        return answer

    def _shedding(self) -> Answer | None:
        if self._health.draining:
            return answers.DRAINING
        if self._health.disk.low:
            return answers.DISK_LOW
        if self._in_flight.full:
            return answers.IN_FLIGHT
        if self._acceptor.away:
            return answers.NO_WRITER
        if self._acceptor.full:
            return answers.BUSY
        return None

    def _judge(self, source: Source, visit: _Visit, whole: bytes) -> Arrival | Answer:
        """Prove the request: an arrival to store, or the answer if there is none."""
        heading = visit.heading
        visit.size = len(whole)
        request = Request(visit.method, heading.url, heading.headers, whole)
        provider = source.provider
        if provider.handshake is not None:
            reply = handshake.answer(provider, request, source.options, source.secrets, visit.now)
            if reply is not None:
                return answers.handshake(reply.status, reply.headers, reply.body)
        verdict = verify(provider, request, source.secrets, visit.now)
        if isinstance(verdict, Verified):
            return self._arrival(source, visit, verdict, request)
        return _unproved(source, visit, verdict)

    def _arrival(
        self, source: Source, visit: _Visit, verified: Verified, request: Request
    ) -> Arrival:
        entrance, heading = visit.entrance, visit.heading
        visit.event_id = str(uuid_utils.uuid7())
        visit.event_type = verified.event_type
        digest = hashlib.sha256(request.body).digest()
        key = dedupe_key(source.name, source.provider, verified, digest, source.dedupe)
        return Arrival(
            event_id=visit.event_id,
            source=source.name,
            type=verified.event_type,
            provider_event_id=verified.event_id,
            received_at=visit.now,
            headers=self._key.conceal_headers(heading.headers, entrance.credential_headers),
            query=self._key.conceal_query(heading.query, entrance.credential_query),
            content_type=heading.content_type,
            body=request.body,
            body_sha256=digest,
            trace_id=visit.trace_id,
            secret_name=verified.secret_name,
            dedupe_key=key,
            dedupe_expires_at=None if key is None else visit.now + source.dedupe_window_ms,
        )

    def _end(self, visit: _Visit, answer: Answer) -> None:
        """Give back what a request held; count and log how it ended."""
        visit.lease.release()
        seconds = time.perf_counter() - visit.started
        visit.entrance.end(answer, visit.size, seconds)
        fields: dict[str, object] = {
            "trace_id": visit.trace_id,
            "source": visit.entrance.label,
            "bytes": visit.size,
            "duration_ms": round(seconds * 1000, 2),
        }
        if visit.detail:
            fields["detail"] = visit.detail
        if answer.outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE):
            fields |= {"event_id": visit.event_id, "type": visit.event_type}
        else:
            fields |= {"status": answer.status, "method": visit.method, "reason": answer.reason}
        if visit.entrance.source is None:
            fields["requested"] = visit.name[:_SHOWN_NAME]
        match answer.outcome:
            case Outcome.ACCEPTED:
                self._log.info("event.accepted", **fields)
            case Outcome.DUPLICATE:
                self._log.info("event.duplicate", **fields)
            case Outcome.HANDSHAKE:
                self._log.info("handshake.answered", **fields)
            case Outcome.REJECTED:
                self._log.warning("request.rejected", **fields)
            case Outcome.SHED:
                self._log.warning("request.shed", **fields)


def _unproved(source: Source, visit: _Visit, verdict: Rejected) -> Answer:
    visit.detail = verdict.detail
    if verdict.reason is Reason.NO_SECRET:  # the operator's mistake: the sender should not give up
        return answers.unavailable("no_secret", "This source has no secret that is in force.")
    return answers.unproved(source.provider, verdict.reason)


def _not_taken(source: Source, error: body.NotTaken) -> Answer:
    """What a sender hears whose body was not taken in."""
    if isinstance(error, body.BodyTooLarge):
        message = f"This source takes bodies of at most {source.max_body} bytes."
        return answers.rejected(413, "too_large", message, close=error.unread)
    if isinstance(error, body.TooSlow):
        return answers.rejected(408, "too_slow", "The body took too long.", close=True)
    return answers.IN_FLIGHT


def _said(source: Source, visit: _Visit, stored: Stored) -> Answer:
    """What a sender hears of a commit."""
    if isinstance(stored, StoreUnavailable):
        visit.detail = str(stored)
        return answers.unavailable("database", "The event could not be committed in time.")
    if isinstance(stored, RowRejected):
        # What we derive is cleaned, so this is a mistake of ours: never a 4xx.
        visit.detail = str(stored)
        return answers.unavailable("not_storable", "The event could not be stored as it is.")
    visit.event_id = stored.event_id
    if not stored.duplicate:
        return answers.accepted(source.provider, stored.event_id)
    if stored.conflicting:
        visit.detail = "another body under the same id; it is kept beside the first"
    return answers.duplicate(source.provider, stored.event_id)
