"""Every channel meets every failure: it is tried again, holds nobody, and shows no secret.

What each answer means in particular is told in the channel's own file.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from ipaddress import ip_network

import pytest

from actors.attempts import http, message
from actors.middleware.limits import Limits
from ingest.config.model import Destination, Mail
from ingest.events import AttemptOutcome, AttemptResult, DestinationKind
from ingest.message import default_email, default_slack, default_text
from ingest.outbound import Door
from ingest.verify.request import Secret
from tests.actors.making import claimed
from tests.services.mail import (
    Certificate,
    Misbehaving,
    make_certificate,
    resetting,
    silent,
    tarpit,
)
from tests.services.sink import Answer, Sink

#: apprise loads a module of Python's that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET = "hunter2"
LIMIT_SECONDS = 0.5
#: apprise waits by itself for this long, in steps that only it can end.
APPRISE = f"/{SECRET}?rto=1&cto=1"


@dataclass(frozen=True)
class Server:
    """Where a channel is to send to."""

    port: int
    tls: bool = False

    def url(self, scheme: str, path: str = f"/{SECRET}") -> str:
        return f"{scheme}{'s' if self.tls else ''}://127.0.0.1:{self.port}{path}"


def destination(server: Server, kind: DestinationKind) -> Destination:
    to = Destination(
        name="there",
        url=server.url("http"),
        kind=kind,
        allow=(ip_network("127.0.0.0/8"),),
        timeout_seconds=LIMIT_SECONDS,
    )
    if kind is DestinationKind.EMAIL:
        mail = Mail(
            host="127.0.0.1",
            port=server.port,
            tls="implicit" if server.tls else "none",
            sender="hooks@example.com",
            recipients=("ops@example.com",),
            user="me",
            password=Secret("env:MAIL", SECRET.encode()),
        )
        return replace(to, url="", mail=mail, message=default_email())
    if kind is DestinationKind.APPRISE:
        return replace(to, url=server.url("json", APPRISE), message=default_text())
    return replace(to, message=default_slack()) if kind is DestinationKind.SLACK else to


def send(server: Server, kind: DestinationKind, limits: Limits) -> AttemptResult:
    """Make one attempt as a worker's child does."""
    to, what = destination(server, kind), replace(claimed("there"), kind=kind)
    if kind is not DestinationKind.HTTP:
        return message.alone(to, what, limits)

    async def through_a_door() -> AttemptResult:
        door = Door(1)
        try:
            return await http.attempt(door, to, what, 1_700_000_000_000)
        finally:
            await door.close()

    return asyncio.run(through_a_door())


CHANNELS = (
    DestinationKind.HTTP,
    DestinationKind.SLACK,
    DestinationKind.APPRISE,
    DestinationKind.EMAIL,
)
WEB_CHANNELS = CHANNELS[:3]


@pytest.fixture
def limits() -> Iterator[Limits]:
    made = Limits()
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True, scope="module")
def _apprise_is_loaded() -> None:
    """Loading it takes longer than an attempt has here."""
    import_module("apprise").Apprise.instantiate("json://localhost")  # and so all its channels


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def untrusted(
    certificate: Certificate, connection: socket.socket, _closed: threading.Event
) -> None:
    """Show a certificate that nobody vouches for, and take whatever is said all the same."""
    with (
        pytest.raises((ssl.SSLError, OSError)),
        certificate.context().wrap_socket(connection, server_side=True) as secured,
    ):
        raise AssertionError(secured.recv(100))


def attempted(
    server: Server, kind: DestinationKind, limits: Limits, *outcomes: AttemptOutcome
) -> AttemptResult:
    """Send, which must end soon with one of the outcomes, and say why without the secret."""
    began = time.monotonic()
    result = send(server, kind, limits)
    assert time.monotonic() - began < LIMIT_SECONDS + 5
    assert result.outcome in outcomes, result
    assert result.code
    assert result.message
    assert SECRET not in result.message
    return result


AGAIN = (AttemptOutcome.RETRYABLE,)
LATE = (AttemptOutcome.TIMED_OUT, AttemptOutcome.RETRYABLE)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502, 503])
@pytest.mark.parametrize("kind", WEB_CHANNELS)
def test_4xx_and_5xx_are_tried_again(
    kind: DestinationKind, status: int, sink: Sink, limits: Limits
) -> None:
    sink.script(f"/{SECRET}", Answer(status))
    sink.script(APPRISE.partition("?")[0] + "/", Answer(status))

    attempted(Server(sink.port), kind, limits, *AGAIN)

    assert sink.requests(), "it was sent"


@pytest.mark.parametrize("kind", WEB_CHANNELS)
def test_429_is_tried_again_when_the_answer_says(
    kind: DestinationKind, sink: Sink, limits: Limits
) -> None:
    """apprise tells us nothing of it; then the destination's own retries decide."""
    too_many = Answer(429, (("Retry-After", "30"),))
    sink.script(f"/{SECRET}", too_many)

    result = attempted(Server(sink.port), kind, limits, *AGAIN)

    assert result.retry_after_ms == (None if kind is DestinationKind.APPRISE else 30_000)


@pytest.mark.parametrize(
    ("behaviour", "outcomes"),
    [(silent, LATE), (tarpit, LATE), (resetting, AGAIN)],
    ids=["hang", "tarpit", "reset"],
)
@pytest.mark.parametrize("kind", CHANNELS)
def test_a_server_that_hangs_crawls_or_hangs_up_holds_nobody(
    kind: DestinationKind,
    behaviour: Callable[[socket.socket, threading.Event], None],
    outcomes: tuple[AttemptOutcome, ...],
    limits: Limits,
) -> None:
    server = Misbehaving(behaviour)
    try:
        attempted(Server(server.port), kind, limits, *outcomes)
    finally:
        server.close()


@pytest.mark.parametrize("kind", CHANNELS)
def test_nothing_is_said_over_bad_tls(
    kind: DestinationKind, certificate: Certificate, limits: Limits
) -> None:
    server = Misbehaving(partial(untrusted, certificate))
    try:
        attempted(Server(server.port, tls=True), kind, limits, *AGAIN)
    finally:
        server.close()


@pytest.mark.parametrize("kind", CHANNELS)
def test_nobody_at_home_is_tried_again(kind: DestinationKind, limits: Limits) -> None:
    closed = Misbehaving(silent)
    closed.close()

    attempted(Server(closed.port), kind, limits, *AGAIN)
