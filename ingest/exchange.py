"""An answer that a connection owes, where no task of ASGI makes it.

uvicorn's connection keeps the cycle of its last request, and looks at it when the sender leaves,
pipelines a request, or the server stops.
"""

import asyncio
from typing import Protocol


class Owed(Protocol):
    """What uvicorn's connection needs of a cycle that it has not begun itself."""

    keep_alive: bool
    """Whether the connection stays open after the answer; a server that stops says no."""
    response_started: bool
    """Whether a part of the answer has been given."""
    response_complete: bool
    """Whether the answer has been given: the next request may begin."""
    disconnected: bool
    """Whether the sender has left, and nobody hears the answer."""
    message_event: asyncio.Event
    """Set when the sender leaves; wakes an ASGI application, and nobody here."""


class Exchange:
    """``Owed`` for an event that was taken; ``Connection`` gives its answer."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")
    response_started = False  # it is given in one piece
    message_event = asyncio.Event()  # one for all: nobody waits for it

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
