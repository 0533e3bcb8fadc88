"""Counts what the console is asked and how it answers.

Imported once ``exposition.prepare`` was called, as is everything that counts.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest import __version__, metrics
from ingest.console.operations import Resource

_NOTHING = "none"  # refused before it was known what was asked, or there is no such thing


class Counting:
    """Stands before everything else, so that it sees every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        metrics.BUILD_INFO.labels(__version__).set(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer when that begins."""

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                labels = (_operation(scope), str(message["status"]))
                metrics.CONSOLE_REQUESTS.labels(*labels).inc()
            await send(message)

        await self._app(scope, receive, send_counted)


def _operation(scope: Scope) -> str:
    """The operation that the routes found: they leave it in the scope."""
    resource = scope.get("endpoint")
    name = resource.name_of(scope["method"]) if isinstance(resource, Resource) else None
    return name or _NOTHING
