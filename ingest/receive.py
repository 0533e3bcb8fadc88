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
from functools import partial

import structlog
import uuid_utils
from starlette.types import Receive, Scope, Send

from ingest import answers, body
from ingest.acceptor import Acceptor, NoPublishedKeys, PublishedKeys, Stored
from ingest.answers import Answer
from ingest.config.model import Config, Source
from ingest.credentials import CredentialKey
from ingest.entrances import Entrance, Entrances, Soon, at_once
from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Arrival
from ingest.header_pairs import headers_text
from ingest.heading import read_heading
from ingest.health import Health
from ingest.keeper import Keeper
from ingest.learner import Learner
from ingest.learning import Lesson
from ingest.shed import Shed
from ingest.vault import Vault
from ingest.verify import Rejected, Request, Verified, dedupe_key, verify
from ingest.verify.handshakes.acknowledging import acknowledgement
from ingest.verify.handshakes.answering import answer as answer_handshake
from ingest.verify.handshakes.answering import methods
from ingest.verify.handshakes.response import Response
from ingest.verify.key_set import NO_KEYS, KeySet, NeedsKey
from ingest.visit import Confirming, Visit, log_end, not_taken, said, unproved

logger = structlog.get_logger(__name__)

#: Bodies from here on are hashed and verified beside the event loop: 25 MB take it 30 ms.
_LARGE_BODY = 1 << 20
_DEAR_BODY = 1 << 14  # of a provider whose body is rewritten in Python: a second a megabyte


#: What hears how a request ended.
Reply = Callable[[Answer], None]
Judged = Arrival | Lesson | Answer


class Receiver:
    """The endpoint. ``clock``: ms since the epoch. ``origin``: as senders know this server.

    ``may_learn``: whether a source that has a secret was opened for one that a handshake says.
    ``soon``: as of an ``Entrance``.
    """

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        acceptor: Acceptor,
        key: CredentialKey,
        health: Health,
        in_flight: body.InFlight,
        origin: str,
        pace: body.Pace = body.PACE,
        may_learn: Callable[[str], bool] = lambda _source: False,
        keys: PublishedKeys | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        soon: Soon = at_once,
    ) -> None:
        self._entrances = Entrances(config, soon=soon)
        self._acceptor = acceptor
        self._key = key
        self._health = health
        self._keeper = Keeper(acceptor, health.disk, key)
        self._learner = Learner(Vault(key), may_learn)
        self._keys = keys or NoPublishedKeys()
        self._later: set[asyncio.Task[None]] = set()  # requests that wait for a published key
        self._in_flight = in_flight
        self._pace = pace
        self._origin = origin
        self._clock = clock
        self._log = logger.bind()  # a lazy logger finds itself anew at every call: 5 us
        self._shed = Shed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; count and log it, whatever comes."""
        entrance = self._entrances.find(scope["path_params"]["source"])
        turned_away = self._turned_away(entrance)
        if turned_away is not None:
            await answers.send_answer(turned_away, receive, send)
            return
        visit = self._begin(scope, entrance)
        answer = answers.FAILED
        try:
            answer = await self._answer(scope, visit, receive)
        except body.ClientDisconnected:
            answer = answers.disconnected(malformed=scope.get(body.MALFORMED, False))
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
        entrance = self._entrances.find(scope["path_params"]["source"])
        turned_away = self._turned_away(entrance)
        if turned_away is not None:
            reply(turned_away)
            return
        visit = self._begin(scope, entrance)
        answer: Answer | None = answers.FAILED
        try:
            answer = self._taken(scope, visit, whole, reply)
        except Exception:
            logger.exception("request.failed", trace_id=visit.trace_id)
        if answer is not None:
            self._end(visit, answer)
            reply(answer)

    def _taken(self, scope: Scope, visit: Visit, whole: bytes, reply: Reply) -> Answer | None:
        """The steps of ``_answer``; None where the answer comes later, as after a commit."""
        source = self._admitted(scope, visit)
        if isinstance(source, Answer):
            return source
        try:
            visit.lease.hold(len(whole), source.max_body, more=False)
        except body.NotTaken as error:
            return not_taken(source, error)
        judged = None
        if len(whole) < _quick(source):
            judged = self._judge(source, visit, whole, self._known_keys(source))
        if judged is None or isinstance(judged, NeedsKey | Confirming):
            self._take_later(source, visit, whole, reply, judged)
            return None
        if isinstance(judged, Answer):
            return judged
        self._acceptor.submit(judged, partial(self._stored, source, visit, reply))
        return None

    def _take_later(
        self,
        source: Source,
        visit: Visit,
        whole: bytes,
        reply: Reply,
        first: NeedsKey | Confirming | None,
    ) -> None:
        async def take() -> None:
            answer: Answer = answers.FAILED
            try:
                judged = await self._judged(source, visit, whole, first)
                answer = (
                    judged
                    if isinstance(judged, Answer)
                    else await self._commit(source, visit, judged)
                )
            except Exception:
                logger.exception("request.failed", trace_id=visit.trace_id)
            self._end(visit, answer)
            reply(answer)

        task = asyncio.get_running_loop().create_task(take())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _stored(self, source: Source, visit: Visit, reply: Reply, stored: Stored) -> None:
        answer = answers.FAILED
        try:
            answer = said(source, visit, stored)
        except Exception:
            logger.exception("request.failed", trace_id=visit.trace_id)
        self._end(visit, answer)
        reply(answer)

    async def _answer(self, scope: Scope, visit: Visit, receive: Receive) -> Answer:
        """Admit the request, take its body in, judge it, have it stored, say so."""
        source = self._admitted(scope, visit)
        if isinstance(source, Answer):
            return source
        declared = visit.heading.content_length
        pace = None if scope.get(body.COMPLETE, False) else self._pace
        try:
            whole = await body.read_body(receive, declared, source.max_body, visit.lease, pace=pace)
        except body.NotTaken as error:
            return not_taken(source, error)
        judged = await self._judged(source, visit, whole)
        return judged if isinstance(judged, Answer) else await self._commit(source, visit, judged)

    async def _commit(self, source: Source, visit: Visit, judged: Arrival | Lesson) -> Answer:
        stored: Stored
        try:
            stored = await self._acceptor.accept(judged)
        except (StoreUnavailable, RowRejected) as error:
            stored = error
        return said(source, visit, stored)

    def _known_keys(self, source: Source) -> KeySet:
        return NO_KEYS if source.provider.key_source is None else self._keys.snapshot()

    async def _judged(
        self, source: Source, visit: Visit, whole: bytes, first: NeedsKey | Confirming | None = None
    ) -> Judged:
        """Judge, beside the event loop where that takes long, and fetch what the verdict asks for.

        ``first``: the verdict, where there is one already.
        """
        judged: Judged | NeedsKey | Confirming | None = first
        keys = self._known_keys(source)
        if judged is None and len(whole) < _quick(source):
            judged = self._judge(source, visit, whole, keys)
        elif judged is None:
            judged = await asyncio.to_thread(self._judge, source, visit, whole, keys)
        if isinstance(judged, NeedsKey | Confirming):
            judged = await self._waited(source, visit, whole, judged)
        return judged

    async def _waited(
        self, source: Source, visit: Visit, whole: bytes, judged: NeedsKey | Confirming
    ) -> Judged:
        """Fetch what the verdict asks for: a key, to judge once more, or what it has to confirm."""
        again: Judged | NeedsKey | Confirming = judged
        if isinstance(judged, NeedsKey):
            await self._keys.ensure(judged)
            again = self._judge(source, visit, whole, self._keys.snapshot())
        if isinstance(again, Confirming):
            return again.greeting if await self._keys.confirm(again.url) else answers.NOT_CONFIRMED
        if not isinstance(again, NeedsKey):
            return again
        heading = visit.heading
        request = Request(visit.method, heading.url, heading.headers, whole)
        return unproved(source, visit, request, again)

    def _begin(self, scope: Scope, entrance: Entrance) -> Visit:
        entrance.begin()
        return Visit(
            entrance=entrance,
            lease=self._in_flight.lease(),
            name=scope["path_params"]["source"],
            method=scope["method"],
            now=self._clock(),
            started=time.perf_counter(),
            # A name, no secret: os.urandom would be a system call for every request.
            trace_id=f"{random.getrandbits(128):032x}",
        )

    def _admitted(self, scope: Scope, visit: Visit) -> Source | Answer:
        """The request's source, or what can be said before the body is read."""
        visit.heading = heading = read_heading(scope, self._origin, visit.trace_id)
        visit.trace_id = heading.trace_id
        source = visit.entrance.source
        if source is None:
            return answers.rejected(404, "unknown_source", "No source has this name.")
        allowed = methods(source.provider)
        if visit.method not in allowed:
            return answers.wrong_method(allowed)
        if heading.too_large:
            return answers.rejected(431, "head_too_large", "The headers are too many or too long.")
        return source

    def refused(self, answer: Answer) -> None:
        """Count and log what a connection has turned away: it became no request of a source."""
        self._turn_away(self._entrances.unknown, answer)

    def _turned_away(self, entrance: Entrance) -> Answer | None:
        """What to say to who is not let in now, before any work is done; it is counted."""
        if entrance.source is None:
            return None
        answer = self._shedding() or entrance.limited()
        if answer is not None:
            self._turn_away(entrance, answer)
        return answer

    def _turn_away(self, entrance: Entrance, answer: Answer) -> None:
        entrance.begin()
        entrance.end(answer, 0, 0.0)
        self._shed.add(entrance.label, answer.reason)

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

    def _judge(
        self, source: Source, visit: Visit, whole: bytes, keys: KeySet
    ) -> Judged | NeedsKey | Confirming:
        """Prove the request: an arrival or lesson to store, or the answer if there is none."""
        heading = visit.heading
        visit.size = len(whole)
        request = Request(visit.method, heading.url, heading.headers, whole)
        provider = source.provider
        if provider.handshakes:
            reply = answer_handshake(
                provider, request, source.options, source.secrets, visit.now, keys=keys
            )
            if reply is not None:
                return self._greeted(source, visit, request, reply)
            if visit.method != "POST":
                return answers.NO_HANDSHAKE
        verdict = verify(
            provider, request, source.secrets, visit.now, options=source.options, keys=keys
        )
        if isinstance(verdict, Verified):
            return self._arrival(source, visit, verdict, request)
        if isinstance(verdict, NeedsKey):
            return verdict
        return unproved(source, visit, request, verdict)

    def _greeted(
        self, source: Source, visit: Visit, request: Request, reply: Response
    ) -> Lesson | Answer | Confirming:
        if reply.refusal is not None:
            visit.detail = reply.refusal.detail
            visit.unproved = request, reply.refusal
        greeting = answers.handshake(reply)
        if reply.confirm is not None:
            return Confirming(reply.confirm, greeting)
        if reply.learned is None:
            return greeting
        lesson = self._learner.lesson(source, reply.learned, visit.now)
        if isinstance(lesson, Rejected):
            return unproved(source, visit, request, lesson)
        visit.handshake = request, greeting
        return greeting if lesson is None else lesson

    def _arrival(
        self, source: Source, visit: Visit, verified: Verified, request: Request
    ) -> Arrival:
        entrance, heading = visit.entrance, visit.heading
        visit.event_id = str(uuid_utils.uuid7())
        visit.event_type = verified.event_type
        visit.wanted = acknowledgement(
            source.provider,
            request,
            options=source.options,
            secrets=source.secrets,
            proving=verified.secret_name,
            now=visit.now,
        )
        digest = hashlib.sha256(request.body).digest()
        key = dedupe_key(source.name, source.provider, verified, digest, source.dedupe)
        return Arrival(
            event_id=visit.event_id,
            source=source.name,
            type=verified.event_type,
            provider_event_id=verified.event_id,
            received_at=visit.now,
            headers=headers_text(
                self._key.conceal_headers(heading.headers, entrance.credential_headers)
            ),
            query=self._key.conceal_query(heading.query, entrance.credential_query),
            content_type=heading.content_type,
            body=request.body,
            body_sha256=digest,
            trace_id=visit.trace_id,
            secret_name=verified.secret_name,
            type_signed=verified.type_signed,
            dedupe_key=key,
            dedupe_for_ms=None if key is None else source.dedupe_window_ms,
        )

    def _end(self, visit: Visit, answer: Answer) -> None:
        """Give back what a request held; count and log how it ended."""
        visit.lease.release()
        seconds = time.perf_counter() - visit.started
        visit.entrance.end(answer, visit.size, seconds)
        if visit.unproved is not None:
            self._keeper.offer(visit.entrance, visit.heading, *visit.unproved, visit.now)
        log_end(self._log, visit, answer, seconds)


def _quick(source: Source) -> int:
    """The bytes from which on a body of this source is judged beside the event loop."""
    return _DEAR_BODY if source.provider.is_dear else _LARGE_BODY
