"""Design promise 3, per process: received = accepted + duplicate + rejected + handshake + shed."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Scope

from ingest import answers, body, receive
from ingest.acceptor import Stored
from ingest.answers import Answer
from ingest.config.settings import Settings
from ingest.config.snapshot import Snapshot
from ingest.credentials import CredentialKey
from ingest.disk import Disk
from ingest.errors import RowRejected
from ingest.events import Accepted, Arrival
from ingest.health import Health
from ingest.learning import Lesson
from ingest.receive import Receiver
from ingest.rejection import RejectedRequest
from ingest.verify import load_catalogue
from tests.web.rig import (
    github_headers,
    receiving,
    requests_by_outcome,
    sample,
    slack_headers,
)

pytestmark = pytest.mark.anyio
SOURCES = ("github", "slack", "open", "small", "token", "unknown")


class Books:
    """What was counted since the books were opened."""

    def __init__(self) -> None:
        self._before = self._read()

    def received(self) -> float:
        return float(sum(after[0] - before[0] for before, after in self._pairs()))

    def ended(self, outcome: str) -> float:
        pairs = self._pairs()
        return float(sum(after[1][outcome] - before[1][outcome] for before, after in pairs))

    def balanced(self) -> bool:
        """Of every source, and of all together."""
        return all(
            after[0] - before[0] == sum(after[1].values()) - sum(before[1].values())
            for before, after in self._pairs()
        )

    def _pairs(self) -> list[Any]:
        return list(zip(self._before, self._read(), strict=True))

    def _read(self) -> list[tuple[float, dict[str, float]]]:
        return [
            (sample("hookkeeper_received_total", source=name), requests_by_outcome(name))
            for name in SOURCES
        ]


async def test_every_way_a_request_can_end_is_counted_once(settings: Settings) -> None:
    books = Books()
    challenge = b'{"type":"url_verification","challenge":"c"}'
    async with receiving(settings) as client:
        for _ in range(2):
            await client.post("/in/github", content=b"{}", headers=github_headers(b"{}"))
        await client.post("/in/github", content=b"{}")
        await client.post("/in/nobody", content=b"{}")
        await client.get("/in/github")
        await client.post("/in/small", content=b"x" * 2000)
        signed = slack_headers(challenge, int(time.time()))
        await client.post("/in/slack", content=challenge, headers=signed)
    assert books.balanced()
    assert books.received() == 7
    assert {one: books.ended(one) for one in ("accepted", "duplicate", "handshake", "shed")} == {
        "accepted": 1,
        "duplicate": 1,
        "handshake": 1,
        "shed": 0,
    }
    assert books.ended("rejected") == 4


async def test_a_sender_who_leaves_mid_body_counts_as_rejected_and_leaves_nothing(
    settings: Settings,
) -> None:
    books = Books()
    before = sample("hookkeeper_rejected_total", source="open", reason="client_disconnect")
    app = receiver_with(Refusing(), settings)
    messages: list[Message] = [
        {"type": "http.request", "body": b"half of", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = await call(app, messages)
    assert sent == []
    assert books.balanced()
    after = sample("hookkeeper_rejected_total", source="open", reason="client_disconnect")
    assert after == before + 1


async def test_a_mistake_of_ours_is_a_500_and_counts_as_shed(settings: Settings) -> None:
    books = Books()
    app = receiver_with(Refusing(), settings)
    messages: list[Message] = [{"type": "http.request"}, {"type": "http.request"}]
    messages[0]["body"] = 7  # no server sends this: whatever fails inside looks like it
    sent = await call(app, messages)
    assert sent[0]["status"] == 500
    assert books.balanced()
    assert books.ended("shed") == 1


@pytest.mark.parametrize("whole", [True, False], ids=["taken", "by_asgi"])
async def test_a_head_that_we_fail_on_is_our_mistake_and_counted_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    """Nothing that is known fails there, so it is made to. A 400 would have the sender give up."""

    def broken(*_head: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(receive, "read_heading", broken)
    books = Books()
    receiver = receiver_with(Refusing(), settings)
    if whole:
        heard: list[Answer] = []
        receiver.take(scope(), b"x", heard.append)
        statuses = [answer.status for answer in heard]
    else:
        sent = await call(receiver, [{"type": "http.request", "body": b"x"}])
        statuses = [sent[0]["status"]]
    assert statuses == [500]
    assert books.balanced()
    assert books.ended("shed") == 1


@pytest.mark.parametrize("trouble", ["full", "away"])
async def test_a_whole_event_is_refused_before_any_work_is_done(
    settings: Settings, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the writer is behind, or where there is none."""
    monkeypatch.setattr(receive, "verify", None)  # whoever calls it fails
    books = Books()
    heard: list[Answer] = []
    receiver = receiver_with(Refusing(**{trouble: True}), settings)
    receiver.take(scope(), b"x", heard.append)
    assert [answer.status for answer in heard] == [503]
    assert b'"busy"' in heard[0].body or b'"database"' in heard[0].body
    assert books.balanced()
    assert books.ended("shed") == 1


async def test_whole_events_in_flight_are_held_until_their_answer_and_bounded(
    settings: Settings,
) -> None:
    writer = Slow()
    receiver = receiver_with(writer, settings)
    heard: list[Answer] = []
    for _ in range(4):
        receiver.take(scope(), b"x" * 400, heard.append)
    assert [b'"in_flight"' in answer.body for answer in heard] == [True, True], "1,000 bytes fit"
    assert len(writer.waiting) == 2
    writer.answer()
    receiver.take(scope(), b"x" * 400, heard.append)
    assert len(writer.waiting) == 1


async def test_a_cancelled_request_is_counted_too(settings: Settings) -> None:
    """uvicorn cancels what is not done at the end of its patience when it stops."""
    books = Books()
    app = receiver_with(Refusing(), settings)
    waiting = asyncio.Event()

    async def receive() -> Message:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    request = asyncio.create_task(app(scope(), receive, send))
    await waiting.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert books.balanced()
    assert books.ended("shed") == 1


async def test_a_row_that_cannot_be_stored_is_our_fault_not_the_senders(
    settings: Settings,
) -> None:
    """No 4xx: the sender tries again, and the operator reads about it meanwhile.

    The acceptor stands in for the store: what we derive is cleaned, so no request gets there.
    """

    books = Books()
    messages: list[Message] = [{"type": "http.request", "body": b"x"}]
    sent = await call(receiver_with(Refusing(), settings), messages)
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"2") in sent[0]["headers"]
    assert books.balanced()


async def test_a_writer_that_is_behind_refuses_before_any_work_is_done(
    settings: Settings,
) -> None:
    """An overload is answered at once: reading what cannot be committed would only add to it."""
    books = Books()
    messages: list[Message] = [{"type": "http.request", "body": b"x"}]
    sent = await call(receiver_with(Refusing(full=True), settings), messages)
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"2") in sent[0]["headers"]
    assert b'"busy"' in sent[1]["body"]
    assert len(messages) == 1, "the body was read"
    assert books.balanced()
    assert books.ended("shed") == 1


class Refusing:
    """Stands in for a writer whose database refuses every row."""

    trouble = None

    def __init__(self, *, full: bool = False, away: bool = False) -> None:
        self.full = full
        self.away = away

    async def accept(self, _arrival: Arrival | Lesson) -> Accepted:
        raise RowRejected("a value the database cannot hold")

    def submit(self, _arrival: Arrival | Lesson, done: Callable[[Stored], None]) -> None:
        done(RowRejected("a value the database cannot hold"))

    def keep(self, _request: RejectedRequest) -> bool:
        return True


class Slow(Refusing):
    """Stands in for a writer that commits when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Arrival, Callable[[Stored], None]]] = []

    def submit(self, arrival: Arrival | Lesson, done: Callable[[Stored], None]) -> None:
        assert isinstance(arrival, Arrival)
        self.waiting.append((arrival, done))

    def answer(self) -> None:
        waiting, self.waiting = self.waiting, []
        for arrival, done in waiting:
            done(Accepted(arrival.event_id))


def receiver_with(writer: Refusing, settings: Settings, pace: body.Pace = body.PACE) -> Receiver:
    snapshot = Snapshot(settings.config_path, os.environ, load_catalogue())
    return Receiver(
        config=lambda: snapshot.config,
        acceptor=writer,
        key=CredentialKey(bytes(32)),
        health=Health(writer, Disk([settings.config_path.parent], 0)),
        in_flight=body.InFlight(1000),
        origin=settings.origin,
        pace=pace,
    )


async def test_a_sender_that_never_finishes_is_let_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes would count as in flight for ever, until everybody else is shed."""
    monkeypatch.setattr(answers, "_LINGER_SECONDS", 0.05)
    books = Books()
    sent = await call(
        receiver_with(Refusing(), settings, body.Pace(0.05, 1_000)),
        [{"type": "http.request", "more_body": True}],
    )
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert books.balanced()


App = Callable[[Any, Any, Any], Awaitable[None]]


def scope() -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/in/open",
        "raw_path": b"/in/open",
        "query_string": b"",
        "headers": [],
        "path_params": {"source": "open"},
    }


async def call(app: App, messages: list[Message]) -> list[Message]:
    """Speak ASGI to an application, for what no HTTP client can do."""
    sent: list[Message] = []

    async def receive() -> Message:
        if not messages:  # as a server: nothing more comes until the sender does something
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope(), receive, send)
    return sent
