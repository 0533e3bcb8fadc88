"""Reading a request's body: every byte, under a cap, within a time, and never a part of it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from ingest.errors import HookkeeperError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: In the scope of a request whose body has come as a whole: nobody needs to time its arrival.
COMPLETE = "hookkeeper.complete"

#: How long a body may take. Senders give up after 5 to 30 s themselves (research/providers.md).
BODY_SECONDS = 60.0


class BodyTooLarge(HookkeeperError):
    """The body is longer than its source allows. ``unread``: there is more of it to come."""

    def __init__(self, *, unread: bool) -> None:
        super().__init__("body too large")
        self.unread = unread


class TooSlow(HookkeeperError):
    """The body did not arrive in time."""


class TooMuchInFlight(HookkeeperError):
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
        """Account for one request: ``with in_flight.lease() as lease``."""
        return Lease(self)


class Lease:
    """What one request holds; given back when its block ends, however it ends."""

    def __init__(self, owner: InFlight) -> None:
        self._owner = owner
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._change(-self._held)

    def add(self, size: int) -> None:
        """Hold ``size`` more bytes. Raises TooMuchInFlight when that is beyond the limit."""
        self._change(size)
        if self._owner.held > self._owner.limit:
            raise TooMuchInFlight

    def _change(self, size: int) -> None:
        self._held += size
        self._owner.held += size


async def read_body(
    receive: Receive, declared: int | None, limit: int, lease: Lease, *, complete: bool = False
) -> bytes:
    """All of the body, at most ``limit`` bytes; ``declared`` is its Content-Length, if any.

    A body that declares too much is refused unread; a chunked one, or one that declared too
    little, is counted as it comes. ``complete``: it is here already, and needs no timer. Raises
    BodyTooLarge, TooSlow, TooMuchInFlight and ClientDisconnected.
    """
    if declared is not None and declared > limit:
        raise BodyTooLarge(unread=True)
    if complete:
        return await _whole(receive, limit, lease)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(receive, limit, lease)
    except TimeoutError:
        raise TooSlow from None


async def _whole(receive: Receive, limit: int, lease: Lease) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        lease.add(len(part))
        if size > limit:
            raise BodyTooLarge(unread=more)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
