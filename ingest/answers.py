"""What the receiver says: one value for every way a request can end.

The interface that senders see (design, Interfaces). An answer also says how the request is
counted: its ``outcome`` is one of the five that add up to all requests, ``reason`` is a closed
word for those that were not accepted.
"""

import asyncio
import contextlib
import enum
import math
from collections.abc import Collection
from typing import NamedTuple

import orjson
from starlette.types import Receive, Send

from ingest.verify import Provider, Reason
from ingest.verify.handshakes.response import Response

_JSON = (b"content-type", b"application/json")
RETRY_AFTER_SECONDS = 2
_LINGER_SECONDS = 2.0

_UNPROVED = {
    Reason.MISSING_SIGNATURE: "The request carries no signature.",
    Reason.MISSING_SIGNED_HEADER: "A header that the signature covers is missing.",
    Reason.MALFORMED_SIGNATURE: "The signature is not of the form that this source uses.",
    Reason.MALFORMED_TIMESTAMP: "The timestamp is not of the form that this source uses.",
    Reason.LEARNING_CLOSED: "This source has a secret and is not open for another one.",
    Reason.STALE_TIMESTAMP: "The timestamp is too far from now: an old request, or a wrong clock.",
}


class Outcome(enum.StrEnum):
    """How a request ended. Every request ends in exactly one."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    HANDSHAKE = "handshake"
    SHED = "shed"


class Answer(NamedTuple):
    """A complete HTTP answer; ``status`` 0: nobody is there to hear one.

    ``close``: the connection ends, because the rest of the body is not wanted.
    """

    outcome: Outcome
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (_JSON,)
    reason: str = ""
    close: bool = False


def accepted(provider: Provider, event_id: str, wanted: Response | None = None) -> Answer:
    """202: the event is committed. Some providers want another success, and get it.

    ``wanted``: an answer in the provider's own words.
    """
    body = b'{"id":"%b","status":"accepted"}' % event_id.encode()
    return _success(provider, Outcome.ACCEPTED, 202, body, wanted)


def duplicate(provider: Provider, event_id: str, wanted: Response | None = None) -> Answer:
    """200 with the id of the event that was committed before, or what is ``wanted``."""
    said = {
        "id": event_id,
        "status": "duplicate",
        "hint": "This event is stored already; a provider's redelivery keeps its id. To deliver "
        f"it once more: hookkeeper events replay {event_id}",
    }
    return _success(provider, Outcome.DUPLICATE, 200, orjson.dumps(said), wanted)


def handshake(reply: Response) -> Answer:
    """Wrap what a provider's handshake asks for; it claims the receipt of nothing."""
    raw = _raw(reply)
    if reply.refusal is not None:
        reason = reply.refusal.reason.value
        return Answer(Outcome.REJECTED, reply.status, reply.body, raw, reason)
    return Answer(Outcome.HANDSHAKE, reply.status, reply.body, raw)


def unproved(provider: Provider, reason: Reason) -> Answer:
    """401, or what makes this provider see a failure. Says the kind of mistake, no more."""
    if provider.failure_body is not None:
        said = provider.failure_body.encode()
        return Answer(Outcome.REJECTED, provider.failure_status, said, (), reason.value)
    message = _UNPROVED.get(reason, "The signature does not match any secret of this source.")
    return rejected(provider.failure_status, reason.value, message)


def rejected(
    status: int,
    code: str,
    message: str,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    *,
    close: bool = False,
) -> Answer:
    """An answer to a mistake of the sender."""
    return Answer(
        Outcome.REJECTED, status, _error(code, message), (_JSON, *headers), code, close=close
    )


def wrong_method(allowed: Collection[str]) -> Answer:
    """405 with the methods that this source takes."""
    names = ", ".join(sorted(allowed))
    allow = (b"allow", names.encode())
    return rejected(405, "method_not_allowed", f"This source takes {names}.", (allow,))


def disconnected(*, malformed: bool) -> Answer:
    """Nothing to say to a sender who left before its body was complete, or was sent away."""
    return Answer(Outcome.REJECTED, 0, b"", (), "malformed" if malformed else "client_disconnect")


def unavailable(code: str, message: str, *, close: bool = False) -> Answer:
    """503 with Retry-After: the cause is ours, nothing is stored, the sender should try again."""
    retry = (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)
    return Answer(Outcome.SHED, 503, _error(code, message), (_JSON, retry), code, close=close)


def limited(code: str, message: str, seconds: float) -> Answer:
    """429 with Retry-After, in whole seconds: too much of one source or sender."""
    retry = (b"retry-after", b"%d" % max(1, math.ceil(seconds)))
    return Answer(Outcome.SHED, 429, _error(code, message), (_JSON, retry), code)


async def send_answer(answer: Answer, receive: Receive, send: Send) -> None:
    """Send it by ASGI.

    Closing a socket with unread bytes resets it, and the sender may never see the answer: so
    one that closes is sent whole first, and what still comes is thrown away for a moment.
    """
    if not answer.status:
        return
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": answer.close})
    if answer.close:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await _discard(receive)
        await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    while (message := await receive())["type"] == "http.request":
        if not message.get("more_body", False):
            return


def _success(
    provider: Provider, outcome: Outcome, status: int, body: bytes, wanted: Response | None
) -> Answer:
    status = provider.success_status or status
    if wanted is not None:
        return Answer(outcome, status, wanted.body, _raw(wanted))
    if provider.success_body is not None:  # none at all
        return Answer(outcome, status, b"", ())
    return Answer(outcome, status, body)


def _raw(reply: Response) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in reply.headers)


def _error(code: str, message: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message}})


#: 500: a mistake in Hookkeeper. The sender should try again; the log has the traceback.
FAILED = Answer(
    Outcome.SHED,
    500,
    _error(
        "internal",
        "Hookkeeper failed on this request. Nothing is acknowledged; please send it again.",
    ),
    (_JSON,),
    "internal",
)

#: A GET, HEAD or OPTIONS that asks nothing which this source answers. Events come by POST.
NO_HANDSHAKE = rejected(400, "no_handshake", "This asks nothing that this source answers.")

#: Who asked for an address to be fetched hears this where that failed, and asks again.
NOT_CONFIRMED = unavailable("not_confirmed", "The address that confirms this did not answer well.")

#: Said before a request is read. Made once: an overload says them ten thousand times a second.
DRAINING = unavailable("draining", "This receiver is stopping.")
DISK_LOW = unavailable("disk_low", "The receiver has no room for more events.")
IN_FLIGHT = unavailable("in_flight", "Too much is being received at once.")
BUSY = unavailable("busy", "More arrives than can be committed in time.")
NO_WRITER = unavailable("database", "The events' writer has ended; another one is being started.")
CONNECTIONS = unavailable("connections", "Too many connections are open.", close=True)
CROWDED = limited("crowded", "Too many connections of this address are open.", RETRY_AFTER_SECONDS)
