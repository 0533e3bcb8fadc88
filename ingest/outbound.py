"""The guarded door: every HTTP request that leaves for a configured destination.

A name is resolved here, every one of its addresses must be permitted (``addresses``), and the
connection goes to the address that was checked, so a name that changes between check and connect
changes nothing. Host header and TLS name stay those of the URL. No redirects, no proxies from the
environment, no cookies, bounded answers, one limit for the whole exchange (research/ops.md §3.6).
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy

import httpcore
import httpx

from ingest import __version__
from ingest.addresses import Network, is_permitted
from ingest.errors import HookkeeperError

#: Names to addresses: (host, port) -> addresses as text. Raises OSError for an unknown name.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

ANSWER_LIMIT = 65_536  # bytes of an answer that are read at all
EXCERPT_LIMIT = 500  # characters of an answer that are kept
_KEEP_ALIVE_SECONDS = 5.0  # most servers wait at least this long before they hang up
_FIRST_ADDRESSES = 4  # of a name with many; each may cost a connect timeout
_CONNECT_SECONDS = 5.0  # for an address that is not the last one to try
_RESOLVER_THREADS = 32  # a resolver that hangs holds threads, and never those of anything else


class OutboundFailed(HookkeeperError):
    """There was no answer. ``code`` is a short stable word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AddressRefused(OutboundFailed):
    """The destination is inside a network that it may not be in; trying again will not help."""

    def __init__(self, host: str) -> None:
        super().__init__(
            "refused_address",
            f"{host} resolves to an address that is not public; nothing was sent. If it is yours, "
            'name its network in the destination: allow = ["10.0.0.0/8"].',
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination said. ``excerpt`` is the start of its body, as text, for people."""

    status: int
    retry_after: str | None
    excerpt: str


class Door:
    """Sends POST requests. Belongs to one event loop; ``close`` it there.

    Destinations with different ``allow`` networks never share a connection.
    """

    def __init__(self, max_connections: int, resolve: Resolve | None = None) -> None:
        for library in ("httpx", "httpcore"):  # they log URLs and headers, which may be secrets
            logging.getLogger(library).setLevel(logging.WARNING)
        self._limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
        )
        self._resolver = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")
        self._resolve = resolve or self._ask_system
        self._clients: dict[frozenset[Network], httpx.AsyncClient] = {}

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout_seconds: float,
        allow: Iterable[Network] = (),
    ) -> Answer:
        """POST ``body`` and return the answer, whatever its status.

        The time limit covers everything, name resolution included. Raises OutboundFailed.
        """
        client = self._client(frozenset(allow))
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        try:
            request = client.build_request("POST", url, headers=_encoded(headers), content=body)
            async with asyncio.timeout_at(deadline):
                response = await client.send(request, stream=True)
        except TimeoutError:
            raise OutboundFailed("timeout", f"No answer within {timeout_seconds:g} s.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise _failure(error) from error
        try:
            excerpt = await _excerpt(response, deadline)
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers.get("retry-after"), excerpt)

    async def close(self) -> None:
        """Hang up everywhere."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()
        self._resolver.shutdown(wait=False, cancel_futures=True)

    def _client(self, allow: frozenset[Network]) -> httpx.AsyncClient:
        if allow not in self._clients:
            client = httpx.AsyncClient(
                transport=_GuardedTransport(self._limits, _Guard(allow, self._resolve)),
                headers={"user-agent": f"Hookkeeper/{__version__}", "accept-encoding": "identity"},
                follow_redirects=False,
                trust_env=False,
                timeout=None,  # noqa: S113 - the caller's limit covers the exchange as a whole
            )
            client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._clients[allow] = client
        return self._clients[allow]

    async def _ask_system(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._resolver, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool that connects through the guard; httpx offers no other way."""

    def __init__(self, limits: httpx.Limits, guard: "_Guard") -> None:
        context = httpx.create_ssl_context(trust_env=False)
        context.load_default_certs()  # an operator's own authority, installed in the system
        super().__init__(verify=context)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=guard,
        )


class _Guard(httpcore.AsyncNetworkBackend):
    """Resolves, checks every address, and connects to one that was checked."""

    def __init__(self, allow: frozenset[Network], resolve: Resolve) -> None:
        self._allow = allow
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises AddressRefused, ConnectError."""
        addresses = await self._resolve(host, port)
        if not all(is_permitted(address, self._allow) for address in addresses):
            raise AddressRefused(host)
        *first, last = addresses[:_FIRST_ADDRESSES]
        for address in first:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._network.connect_tcp(
                    address, port, _CONNECT_SECONDS, local_address, socket_options
                )
        return await self._network.connect_tcp(last, port, timeout, local_address, socket_options)


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _excerpt(response: httpx.Response, deadline: float) -> str:
    """Read a bounded part of the body, and no error: the status is the answer."""
    kept, size = b"", 0
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout_at(deadline):
            async for part in response.aiter_raw():
                kept = (kept + part)[: 4 * EXCERPT_LIMIT]
                size += len(part)
                if size > ANSWER_LIMIT:
                    break
    text = kept.decode("utf-8", "replace")[:EXCERPT_LIMIT]
    return "".join(one if one.isprintable() else " " for one in text).strip()


def _failure(error: Exception) -> OutboundFailed:
    """Name what went wrong below HTTP, by the first cause that says so."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, code, words in _FAILURES:
            if isinstance(cause, kind):
                return OutboundFailed(code, f"{words}: {str(error) or type(error).__name__}.")
        cause = cause.__cause__ or cause.__context__
    return OutboundFailed("network_error", f"{type(error).__name__}: {error}.")


_FAILURES: tuple[tuple[type[BaseException], str, str], ...] = (
    (ssl.SSLError, "tls_error", "The connection could not be secured"),
    (socket.gaierror, "unknown_name", "The name could not be resolved"),
    (UnicodeError, "unknown_name", "The name could not be resolved"),
    (httpx.ConnectTimeout, "connect_timeout", "Nothing answered at the address"),
    (httpx.RemoteProtocolError, "bad_answer", "The answer was not HTTP, or was cut off"),
    (httpx.InvalidURL, "bad_request", "The destination's URL cannot be used"),
    (httpx.LocalProtocolError, "bad_request", "The request cannot be written as HTTP"),
    (httpx.ReadError, "connection_lost", "The connection broke"),
    (httpx.WriteError, "connection_lost", "The connection broke"),
    (ConnectionRefusedError, "connection_refused", "Nothing listens there"),
)
