"""Reading a request's body: every byte, under a cap, within a time, and never a part of it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from ingest.errors import HookkeeperError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: In the scope of a request whose body has come as a whole: nobody needs to time its arrival.
COMPLETE = "hookkeeper.complete"

#: In the scope of a request that was broken off because its body is none (``connection.py``).
MALFORMED = "hookkeeper.malformed"


class Pace(NamedTuple):
    """How fast a body has to come: in ``seconds``, and what has come earns more time.

    Senders give up after 5 to 30 s themselves (research/providers.md). ``rate``: bytes a second; at
    64 KiB/s, half a megabit, a body of 25 MB may take seven minutes.
    """

    seconds: float = 30.0
    rate: int = 65_536

    def seconds_for(self, size: int) -> float:
        """How long a body may take of which ``size`` bytes are here."""
        return self.seconds + size / self.rate


PACE = Pace()


class NotTaken(HookkeeperError):
    """A body that is not taken in, though its sender is still there."""


class BodyTooLarge(NotTaken):
    """The body is longer than its source allows. ``unread``: there is more of it to come."""

    def __init__(self, *, unread: bool) -> None:
        super().__init__("body too large")
        self.unread = unread


class TooSlow(NotTaken):
    """The body comes more slowly than its pace."""


class TooMuchInFlight(NotTaken):
    """All requests together hold more bytes than this process may."""


class ClientDisconnected(HookkeeperError):
    """The sender went away before its body was complete."""


class InFlight:
    """Bytes of bodies that this process holds: being read, or waiting for their commit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    @property
    def full(self) -> bool:
        """Whether a new request should not even be begun."""
        return self.held >= self.limit

    def lease(self) -> "Lease":
        """Account for one request, until its lease is released."""
        return Lease(self)


class Lease:
    """What one request holds; whoever ends the request releases it."""

    __slots__ = ("_owner", "held")

    def __init__(self, owner: InFlight) -> None:
        self._owner = owner
        self.held = 0

    def hold(self, size: int, limit: int, *, more: bool) -> None:
        """Hold the next ``size`` bytes of a body of at most ``limit``; ``more`` may come.

        Raises TooMuchInFlight and BodyTooLarge; what came is held then, too.
        """
        self.held += size
        self._owner.held += size
        if self._owner.held > self._owner.limit:
            raise TooMuchInFlight
        if self.held > limit:
            raise BodyTooLarge(unread=more)

    def release(self) -> None:
        """Hold nothing any more."""
        self._owner.held -= self.held
        self.held = 0


async def read_body(
    receive: Receive, declared: int | None, limit: int, lease: Lease, *, pace: Pace | None
) -> bytes:
    """All of the body, at most ``limit`` bytes; ``declared`` is its Content-Length, if any.

    A body that declares too much is refused unread; a chunked one, or one that declared too
    little, is counted as it comes. ``pace`` None: it is here already, and needs no timer. Raises
    BodyTooLarge, TooSlow, TooMuchInFlight and ClientDisconnected.
    """
    if declared is not None and declared > limit:
        raise BodyTooLarge(unread=True)
    if pace is None:
        return await _whole(receive, limit, lease, lambda: None)
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(began + pace.seconds) as timer:
            return await _whole(
                receive,
                limit,
                lease,
                lambda: timer.reschedule(began + pace.seconds_for(lease.held)),
            )
    except TimeoutError:
        raise TooSlow from None


async def _whole(receive: Receive, limit: int, lease: Lease, came: Callable[[], None]) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part, more = message.get("body", b""), message.get("more_body", False)
        lease.hold(len(part), limit, more=more)
        parts.append(part)
        came()
    return parts[0] if len(parts) == 1 else b"".join(parts)
