"""The guarded door: every HTTP request that leaves, to a destination or for a published key.

A name is resolved here, every one of its addresses must be permitted (``addresses``), and the
connection goes to the address that was checked, so a name that changes between check and connect
changes nothing. Host header and TLS name stay those of the URL. No redirects, no proxies from the
environment, no cookies, bounded answers, one limit for the whole exchange (research/ops.md §3.6).

It stands on httpcore, the half of httpx that speaks HTTP, with a pool of its own: httpcore's asks
the system about each of its connections, twice a request, and a request in a batch of 40 costs
5 ms by that instead of 0.3 ms (measured, ops/bench/README.md).
"""

import asyncio
import logging
import socket
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache

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
_DEFAULTS = {
    "user-agent": (b"User-Agent", f"Hookkeeper/{__version__}".encode()),
    "accept": (b"Accept", b"*/*"),
    "accept-encoding": (b"Accept-Encoding", b"identity"),  # excerpts are for people
}


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


@dataclass(frozen=True, slots=True)
class Document:
    """What was fetched. ``headers`` have lower-case names, the last of several counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Door:
    """Sends requests, as many at a time as it is asked to. Belongs to one event loop.

    Keeps at most ``most_idle`` connections for the next request; ``close`` it on its loop.
    """

    def __init__(self, most_idle: int, resolve: Resolve | None = None) -> None:
        # It logs headers, which may be secrets.
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        self._resolver = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")
        self._pool = _Pool(most_idle, resolve or self._ask_system)

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
        async with self._exchange("POST", url, headers, body, timeout_seconds, allow) as (
            response,
            deadline,
        ):
            excerpt = await _excerpt(response, deadline)
        return Answer(response.status, _retry_after(response), excerpt)

    async def get(
        self,
        url: str,
        *,
        timeout_seconds: float,
        most_bytes: int,
        allow: Iterable[Network] = (),
    ) -> Document:
        """GET a document whole, whatever its status. No redirect is followed.

        The time limit covers everything. Raises OutboundFailed, also where it is too long.
        """
        async with self._exchange("GET", url, {}, b"", timeout_seconds, allow) as (
            response,
            deadline,
        ):
            body = await _whole(response, deadline, most_bytes)
        headers = {
            name.lower().decode(): value.decode("latin-1") for name, value in response.headers
        }
        return Document(response.status, headers, body)

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_seconds: float,
        allow: Iterable[Network],
    ) -> AsyncIterator[tuple[httpcore.Response, float]]:
        """Give the answer with its body unread, and the end of the time for reading it."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        try:
            target, host = _target(url)
            request = httpcore.Request(
                method, target, headers=_encoded(headers, host, body), content=body
            )
            async with asyncio.timeout_at(deadline):
                connection = await self._pool.take(frozenset(allow), target.origin)
                response = await connection.http.handle_async_request(request)
        except TimeoutError:
            raise OutboundFailed("timeout", f"No answer within {timeout_seconds:g} s.") from None
        except (*_HTTP_ERRORS, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise _failure(error) from error
        try:
            yield response, deadline
        finally:
            await response.aclose()
        await self._pool.give_back(connection)

    async def close(self) -> None:
        """Hang up everywhere."""
        await self._pool.close()
        self._resolver.shutdown(wait=False, cancel_futures=True)

    async def _ask_system(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._resolver, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


#: Who may share a connection: networks that it was checked against, scheme, host and port.
_Key = tuple[frozenset[Network], bytes, bytes, int]


@dataclass(slots=True, eq=False)
class _Connection:
    """A connection to one origin; the first request on it makes it."""

    key: _Key
    http: httpcore.AsyncHTTPConnection


class _Pool:
    """Connections between two requests: the freshest is used first, the oldest is given up."""

    def __init__(self, most_idle: int, resolve: Resolve) -> None:
        self._most_idle = most_idle
        self._resolve = resolve
        self._context = httpx.create_ssl_context(trust_env=False)
        self._context.load_default_certs()  # an operator's own authority, installed in the system
        self._idle: dict[_Connection, float] = {}  # until when (loop time), the oldest first
        self._of_key: defaultdict[_Key, dict[_Connection, None]] = defaultdict(dict)

    async def take(self, allow: frozenset[Network], origin: httpcore.Origin) -> _Connection:
        """Return a connection that still stands, or a new one."""
        key = (allow, origin.scheme, origin.host, origin.port)
        while kept := self._of_key.get(key):
            connection = next(reversed(kept))
            self._forget(connection)
            if not connection.http.has_expired():  # or was hung up on, which the system knows
                return connection
            await connection.http.aclose()
        return _Connection(
            key,
            httpcore.AsyncHTTPConnection(
                origin,
                self._context,
                keepalive_expiry=_KEEP_ALIVE_SECONDS,
                network_backend=_Guard(allow, self._resolve),
            ),
        )

    async def give_back(self, connection: _Connection) -> None:
        """Keep it for the next request, where the exchange went well on both sides."""
        now = asyncio.get_running_loop().time()
        if connection.http.is_idle():
            self._idle[connection] = now + _KEEP_ALIVE_SECONDS
            self._of_key[connection.key][connection] = None
        while self._idle:
            oldest, until = next(iter(self._idle.items()))
            if until > now and len(self._idle) <= self._most_idle:
                return
            self._forget(oldest)
            await oldest.http.aclose()

    async def close(self) -> None:
        """Hang up on everybody."""
        while self._idle:
            connection = next(iter(self._idle))
            self._forget(connection)
            await connection.http.aclose()

    def _forget(self, connection: _Connection) -> None:
        del self._idle[connection]
        del self._of_key[connection.key][connection]
        if not self._of_key[connection.key]:
            del self._of_key[connection.key]


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


@lru_cache(maxsize=1024)
def _target(url: str) -> tuple[httpcore.URL, bytes]:
    """Return where to connect and what to ask for there, and the Host header that names it.

    Raises httpx.InvalidURL and httpcore.UnsupportedProtocol.
    """
    read = httpx.URL(url)  # writes names in other alphabets as DNS has them
    if read.scheme not in ("http", "https") or not read.host:
        raise httpcore.UnsupportedProtocol("It must begin with http:// or https:// and a host")
    target = httpcore.URL(
        scheme=read.raw_scheme, host=read.raw_host, port=read.port, target=read.raw_path
    )
    return target, read.netloc


def _encoded(headers: Mapping[str, str], host: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
    """Return all headers of a request; the caller's replace the Door's where it has a default."""
    sent = dict(_DEFAULTS)
    for name, value in headers.items():
        sent[name.lower()] = (name.encode("latin-1"), value.encode("latin-1"))
    return [(b"Host", host), *sent.values(), (b"Content-Length", b"%d" % len(body))]


def _retry_after(response: httpcore.Response) -> str | None:
    values = (value for name, value in response.headers if name.lower() == b"retry-after")
    return next((value.decode("latin-1") for value in values), None)


async def _excerpt(response: httpcore.Response, deadline: float) -> str:
    """Read a bounded part of the body, and no error: the status is the answer."""
    kept, size = b"", 0
    with suppress(TimeoutError, *_HTTP_ERRORS):
        async with asyncio.timeout_at(deadline):
            async for part in response.aiter_stream():
                kept = (kept + part)[: 4 * EXCERPT_LIMIT]
                size += len(part)
                if size > ANSWER_LIMIT:
                    break
    text = kept.decode("utf-8", "replace")[:EXCERPT_LIMIT]
    return "".join(one if one.isprintable() else " " for one in text).strip()


async def _whole(response: httpcore.Response, deadline: float, most_bytes: int) -> bytes:
    """Read all of the body, or fail: half a document is none."""
    body = b""
    try:
        async with asyncio.timeout_at(deadline):
            async for part in response.aiter_stream():
                body += part
                if len(body) > most_bytes:
                    raise OutboundFailed("too_long", f"The answer is over {most_bytes} bytes.")
    except TimeoutError:
        raise OutboundFailed("timeout", "The answer did not end in time.") from None
    except _HTTP_ERRORS as error:
        raise _failure(error) from error
    return body


def _failure(error: Exception) -> OutboundFailed:
    """Name what went wrong below HTTP, by the first cause that says so."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, code, words in _FAILURES:
            if isinstance(cause, kind):
                return OutboundFailed(code, f"{words}: {str(error) or type(error).__name__}.")
        cause = cause.__cause__ or cause.__context__
    return OutboundFailed("network_error", f"{type(error).__name__}: {error}.")


#: Everything that httpcore raises when there is no answer.
_HTTP_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)

_FAILURES: tuple[tuple[type[BaseException], str, str], ...] = (
    (ssl.SSLError, "tls_error", "The connection could not be secured"),
    (socket.gaierror, "unknown_name", "The name could not be resolved"),
    (UnicodeError, "unknown_name", "The name could not be resolved"),
    (httpcore.ConnectTimeout, "connect_timeout", "Nothing answered at the address"),
    (httpcore.RemoteProtocolError, "bad_answer", "The answer was not HTTP, or was cut off"),
    (httpx.InvalidURL, "bad_request", "The destination's URL cannot be used"),
    (httpcore.UnsupportedProtocol, "bad_request", "The destination's URL cannot be used"),
    (httpcore.LocalProtocolError, "bad_request", "The request cannot be written as HTTP"),
    (httpcore.ReadError, "connection_lost", "The connection broke"),
    (httpcore.WriteError, "connection_lost", "The connection broke"),
    (ConnectionRefusedError, "connection_refused", "Nothing listens there"),
)
