"""Who is let in: requests to this machine by one of its own names, that show the token.

A page in the operator's browser may send requests to a loopback port under a name of its own
that it lets resolve to 127.0.0.1 (DNS rebinding); its Host header then says so. No answer has
CORS headers, and the token is in a header, never in a cookie, so nothing is sent by itself.
"""

import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.console.refusals import Refused, refused
from ingest.console.token import Token
from ingest.errors import HookkeeperError

#: Any port: a tunnel (ssh -L) may listen on another one.
_OURS = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)

#: On every answer: it is for whoever asked, is what its type says, and shows nowhere else.
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Gate:
    """Stands before the routes. ``public``: paths that need no token."""

    def __init__(self, app: ASGIApp, token: Token, public: Collection[str]) -> None:
        self._app = app
        self._token = token
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not; nothing of its body is read before."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            self._check(scope)
        except HookkeeperError as error:
            await refused(error)(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not _OURS.fullmatch(hosts[0].encode("latin-1")):
            raise Refused(
                421,
                "wrong_host",
                "The console answers to localhost, 127.0.0.1 and [::1] only. From elsewhere, come "
                "through a tunnel: ssh -L",
            )
        if scope["path"] in self._public:
            return
        shown = headers.getlist("authorization")
        if len(shown) != 1 or not self._token.is_shown_by(shown[0].encode("latin-1")):
            raise Refused(
                401,
                "unauthorized",
                'This needs the header "Authorization: Bearer <token>". The token is in the file '
                "that HOOKKEEPER_CONSOLE_TOKEN names, by default data/console.token.",
                headers={"www-authenticate": 'Bearer realm="hookkeeper console"'},
            )
