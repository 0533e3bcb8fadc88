"""Hostile requests, bare and behind the proxies that we ship a configuration for.

Each is refused, or is exactly one event with the bytes that were sent, and the next sender on the
same way is served as if nothing had been (``hostile/``: what is sent, and what may come of it).
"""

import contextlib
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from select import select

import pytest
import sqlalchemy

from ingest.store import Database, open_database
from ingest.store.schema import events, payloads
from tests.services.ports import free_port
from tests.services.proxy import HAPROXY, NGINX, Kind, Proxy
from tests.web.corpus import Hostile, hostile_requests
from tests.web.rig import CONFIG, Server, scrape, serving

SMUGGLED = '\n[sources.smuggled]\nprovider = "none"\n'
HONEST = (
    b"POST /in/open HTTP/1.1\r\nHost: hooks.test\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
REQUESTS = hostile_requests()
_PATIENCE_SECONDS = 30.0


@dataclass
class Way:
    """A receiver, what stands in front of it, and the database behind it."""

    server: Server
    database: Database
    metrics_port: int
    bare: bool
    connect: Callable[[], socket.socket]
    _seen: set[str] = field(default_factory=set)

    def stored(self) -> list[tuple[str, bytes]]:
        """Source and body of every event that is new."""
        columns = (events.c.id, events.c.source, payloads.c.body)
        statement = sqlalchemy.select(*columns).join(payloads, payloads.c.event_id == events.c.id)
        with self.database.read() as tx:
            rows = tx.execute(statement.order_by(events.c.id)).all()
        new = [(row.source, bytes(row.body)) for row in rows if row.id not in self._seen]
        self._seen.update(row.id for row in rows)
        return new


@pytest.fixture(scope="module", params=["bare", "nginx", "haproxy"])
def way(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: Path,
) -> Iterator[Way]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "hookkeeper.toml").write_text(CONFIG + SMUGGLED)
    (folder / "h.db").write_bytes(sqlite_template.read_bytes())
    url, port = f"sqlite:///{folder}/h.db", free_port()
    changes = {"TRUSTED_PROXIES": "127.0.0.1", "METRICS_PORT": str(port)}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(folder, url, **changes))
        database = stack.enter_context(contextlib.closing(open_database(url)))
        connect = server.connect
        kind: Kind | None = {"nginx": NGINX, "haproxy": HAPROXY}.get(request.param)
        if kind is not None:
            proxy = stack.enter_context(contextlib.closing(Proxy(kind, server.port)))
            connect = over_tls(proxy)
        yield Way(server, database, port, kind is None, connect)


def over_tls(proxy: Proxy) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
        return proxy.context.wrap_socket(plain, server_hostname="127.0.0.1")

    return connect


def exchange(way: Way, raw: bytes) -> bytes:
    """Send while reading, and return what came: to the end, or one answer if none is in sight.

    By one thread: no two may use a TLS connection at once (OpenSSL), and before 3.13 Python lets
    them.
    """
    to_the_end = b"close" in raw.lower()
    got, unsent = b"", memoryview(raw)
    with way.connect() as wire:
        wire.setblocking(False)
        while to_the_end or not complete(got):
            part = received(wire)
            if part == b"":
                break
            if part is not None:
                got += part
                continue
            unsent = unsent[sent(wire, unsent) :]
            if not any(select([wire], [wire] if unsent else [], [], _PATIENCE_SECONDS)):
                break
    return got


def received(wire: socket.socket) -> bytes | None:
    """What has come; None: nothing yet, b"": nothing more."""
    try:
        return wire.recv(65536)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except OSError:
        return b""


def sent(wire: socket.socket, unsent: memoryview) -> int:
    """How much more the other side has room for; whoever refuses need not read it all."""
    try:
        return wire.send(unsent[:65536]) if unsent else 0
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return 0
    except OSError:
        return len(unsent)


def complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer else 0


@pytest.mark.parametrize("hostile", REQUESTS, ids=[one.name for one in REQUESTS])
def test_a_hostile_request_is_refused_or_one_event_with_the_same_bytes(
    way: Way, hostile: Hostile
) -> None:
    way.stored()
    answer = exchange(way, hostile.raw)
    found = way.stored()
    assert {source for source, _ in found} <= {"open"}, "a request was smuggled"
    bodies = tuple(body for _, body in found)
    if way.bare:
        assert (status(answer), bodies) == (hostile.status, hostile.stored)
    else:
        assert hostile.allows(bodies), [body[:100] for body in bodies]
    honest(way, hostile.name.encode())


def honest(way: Way, body: bytes) -> None:
    """The next sender gets the answer to its own request, and its own bytes are stored."""
    answer = exchange(way, HONEST % (len(body), body))
    assert status(answer) == 202, answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == "accepted"
    assert way.stored() == [("open", body)]


def test_every_request_is_counted_however_it_ended(way: Way) -> None:
    """Also what was none, which counts under the source ``unknown``."""
    before = counted(way)
    exchange(way, HONEST % (1, b"x"))
    if way.bare:
        exchange(way, b"nonsense\r\n\r\n")
        exchange(way, HONEST.replace(b"Host: hooks.test\r\n", b"") % (1, b"x"))
        assert counted(way, "hookkeeper_received_total") - before == 3
    found = scrape(way.metrics_port)
    for source in ("open", "small", "smuggled", "unknown"):
        ended = sum(
            value
            for (name, labels), value in found.items()
            if name == "hookkeeper_requests_total" and ("source", source) in labels
        )
        received = found.get(("hookkeeper_received_total", frozenset({("source", source)})), 0.0)
        assert received == ended, source


def counted(way: Way, name: str = "hookkeeper_received_total") -> float:
    return sum(value for (key, _), value in scrape(way.metrics_port).items() if key == name)


def test_there_are_enough_of_them() -> None:
    assert len(REQUESTS) >= 150
    assert len({one.name for one in REQUESTS}) == len(REQUESTS)
