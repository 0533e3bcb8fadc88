"""The receiver's paths, and its life as an ASGI application."""

from collections.abc import Callable
from typing import Protocol

from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from ingest import answers
from ingest.answers import Answer
from ingest.edge import Edge
from ingest.health import Alive, Health, Ready
from ingest.lifespan import Living, live

_ENTRANCE = "/in/"
_RAW_ENTRANCE = b"/in/"


class Endpoint(Protocol):
    """What takes events: by ASGI, or whole from a connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

    def take(self, scope: Scope, whole: bytes, reply: Callable[[Answer], None]) -> None:
        """Answer a request whose body is here."""


class Startable(Living, Protocol):
    """What stands behind the paths."""

    health: Health

    @property
    def receiver(self) -> Endpoint:
        """The endpoint of ``/in/{source}``."""

    @property
    def edge(self) -> Edge:
        """What its connections are granted."""


class Application(Router):
    """Starlette's router without its middleware: the receiver handles its own errors.

    A reason not to start is said in one message instead of a traceback. Events do not go through
    the routes: matching took 6 % of the time of a request, and there is one path to match.
    """

    def __init__(self, reception: Startable) -> None:
        super().__init__(
            routes=[
                Route("/livez", Alive(), methods=["GET"]),
                Route("/readyz", Ready(reception.health), methods=["GET"]),
            ],
            redirect_slashes=False,  # senders do not follow redirects
            default=_nothing_here,
        )
        self._reception = reception
        self.edge = reception.edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the life of the process."""
        if scope["type"] == "http":
            source = scope["path"].removeprefix(_ENTRANCE)
            # As it was sent: to a proxy in front, /in%2Fgithub is not below /in/.
            if source and scope["raw_path"].startswith(_RAW_ENTRANCE) and "/" not in source:
                scope["path_params"] = {"source": source}
                await self._reception.receiver(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def take(self, scope: Scope, whole: bytes, reply: Callable[[Answer], None]) -> None:
        """Answer an event that its connection has read whole (``connection.py``)."""
        self._reception.receiver.take(scope, whole, reply)

    async def lifespan(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Start, wait for the server to stop, and stop."""
        await live(self._reception, receive, send)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        answer = answers.rejected(404, "not_found", "Senders post to /in/{source}.")
        await answers.send_answer(answer, receive, send)
