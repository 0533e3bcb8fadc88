"""Senders that take their time: with a head, a body, or the reading of answers. Short deadlines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from ingest import answers
from ingest.answers import Answer
from ingest.callers import LOOPBACK, Callers
from ingest.config.settings import Settings
from ingest.edge import Edge
from tests.waiting import wait_until_async
from tests.web.rig import make_settings, receiving, sample
from tests.web.test_connection import listening
from tests.web.test_pipelined import LONG_ANSWER, deaf, ended, only_one, send_for_ever
from tests.web.test_wire import HEAD

pytestmark = pytest.mark.anyio
EVENT = HEAD % b"open" + b"content-length: 1\r\n\r\nx"
LAST_WORDS = b'in time."}}'
SHORT = 0.1


class Application:
    """Takes every event, answers when it is told to, and notes what was refused before it."""

    def __init__(self, edge: Edge | None = None, answer: Answer = answers.BUSY) -> None:
        self.refusals: list[Answer] = []
        granted = edge or Edge(head_seconds=SHORT)
        self.edge = Edge(
            head_seconds=granted.head_seconds,
            drain_seconds=granted.drain_seconds,
            callers=granted.callers,
            refused=self.refusals.append,
        )
        self.taken = 0
        self.answer_at_once = True
        self.owed: list[Callable[[Answer], None]] = []
        self.scopes: list[Scope] = []
        self._answer = answer

    def take(self, _scope: Scope, _whole: bytes, reply: Callable[[Answer], None]) -> None:
        self.taken += 1
        if self.answer_at_once:
            reply(self._answer)
        else:
            self.owed.append(reply)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read all of the body and answer; or answer at once, where the path says so."""
        self.scopes.append(scope)
        more = not scope["path"].startswith("/early")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message.get("more_body", False)
        await answers.send_answer(self._answer, receive, send)

    def reasons(self) -> list[str]:
        return [answer.reason for answer in self.refusals]


Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def talking(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    """Or 4,096 idle sockets would keep every sender out."""
    application = Application()
    async with listening(application) as port, talking(port) as (reader, _):
        assert await reader.read() == b""
    assert application.refusals == [], "nobody asked for anything"


@pytest.mark.parametrize("begun", [b"P", b"POST /in/open HTTP/1.1\r\nx-slow: "])
async def test_a_head_that_does_not_come_is_told_so_and_counted(begun: bytes) -> None:
    application = Application()
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(begun)
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
    assert application.reasons() == ["head_too_slow"]


async def test_a_head_that_trickles_has_no_more_time_than_one_that_stops() -> None:
    application = Application()
    async with listening(application) as port, talking(port) as (reader, writer):
        trickling = asyncio.create_task(trickle(writer))
        got = await reader.read()
        trickling.cancel()
    assert got.startswith(b"HTTP/1.1 408")


async def trickle(writer: asyncio.StreamWriter) -> None:
    """One byte in each turn of the loop, for ever."""
    writer.write(b"POST /in/open HTTP/1.1\r\nx: ")
    while True:
        writer.write(b"a")
        turn = asyncio.Event()
        asyncio.get_running_loop().call_later(0.001, turn.set)
        await turn.wait()


async def test_the_second_head_has_a_deadline_too() -> None:
    application = Application()
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(EVENT)
        await reader.readuntil(LAST_WORDS)
        writer.write(b"POST /in/o")
        writer.write(b"pen")
        assert (await reader.read()).startswith(b"HTTP/1.1 408")


async def test_a_body_that_nobody_waited_for_is_not_waited_for_either() -> None:
    """The answer came first (404, 405, a probe); what trickles in behind it leads nowhere."""
    application = Application()
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\nx")
        got = await reader.readuntil(LAST_WORDS)
        trickling = asyncio.create_task(trickle(writer))
        with contextlib.suppress(ConnectionResetError):  # it was trickling in that very moment
            assert await reader.read() == b""
        trickling.cancel()
    assert got.startswith(b"HTTP/1.1 503")
    assert application.refusals == []


async def test_a_sender_that_never_reads_its_answers_is_let_go() -> None:
    """What was written for it would be kept for ever, and its connection, too."""
    state = ServerState()
    application = Application(answer=LONG_ANSWER)
    async with listening(application, state=state) as port:
        with deaf(port) as wire:
            one = await only_one(state)
            sending = asyncio.create_task(send_for_ever(wire))
            await wait_until_async(lambda: one.flow.write_paused, describe="its pause")
            await ended(state)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sending


async def test_a_slow_reader_that_goes_on_is_kept() -> None:
    application = Application(Edge(head_seconds=20), answer=LONG_ANSWER)
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(EVENT * 200)
        got = 0
        while got < 200:
            got += (await reader.read(50_000)).count(b"HTTP/1.1 503")
    assert application.taken + len(application.scopes) == 200


async def test_a_refusal_waits_for_the_answers_that_are_owed_before_it() -> None:
    """Answers have no name: one that overtakes another is taken for it."""
    application = Application()
    application.answer_at_once = False
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(EVENT + b"nonsense\r\n\r\n")
        await wait_until_async(lambda: application.refusals, describe="the refusal")
        application.owed[0](LONG_ANSWER)
        got = await reader.read()
    assert got.startswith(b"HTTP/1.1 503")
    assert [got.count(b"HTTP/1.1 400"), got.count(b"content-length: ")] == [1, 2]


async def test_a_body_that_goes_wrong_ends_its_request_and_is_told_once() -> None:
    application = Application()
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(HEAD % b"open" + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        await wait_until_async(lambda: application.scopes, describe="the request to begin")
        writer.write(b"nonsense\r\n")
        got = await reader.read()
    assert got.startswith(b"HTTP/1.1 400")
    assert got.count(b"content-length: ") == 1
    assert application.refusals == [], "whoever served the request counts it"
    assert application.scopes[0]["hookkeeper.malformed"]


async def test_who_is_refused_in_the_middle_of_a_sentence_still_hears_why() -> None:
    """A socket that is closed with unread bytes is reset, and the answer is lost with it."""
    application = Application()
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(b"nonsense\r\n\r\n" + b"x" * 200_000)
        await writer.drain()
        assert (await reader.read()).startswith(b"HTTP/1.1 400")


async def test_one_address_has_so_many_connections_and_no_more() -> None:
    """Here loopback counts too; shipped, this machine has as many as it likes."""
    application = Application(Edge(callers=Callers(2, free=())))
    async with listening(application) as port:
        async with talking(port) as (reader, writer), talking(port) as (other, _):
            writer.write(EVENT)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503")
            async with talking(port) as (third, _):
                got = await third.read()
            assert got.startswith(b"HTTP/1.1 429")
            assert b"retry-after: " in got
            assert not other.at_eof()
        await wait_until_async(
            lambda: not application.edge.callers._open, describe="both to be given back"
        )
        async with talking(port) as (reader, writer):
            writer.write(EVENT)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503")
    assert application.reasons() == ["crowded"]


async def test_behind_a_proxy_the_senders_that_it_names_are_counted() -> None:
    """By requests whose body is not here: they are what a slow sender holds."""
    application = Application(Edge(callers=Callers(1, trusted=LOOPBACK)))
    slow = HEAD % b"open" + b"x-forwarded-for: %b\r\ncontent-length: 2\r\n\r\nx"
    async with listening(application) as port, talking(port) as (reader, writer):
        writer.write(slow % b"203.0.113.7")
        await wait_until_async(lambda: application.scopes, describe="the first to begin")
        async with talking(port) as (second, sending):
            sending.write(slow % b"198.51.100.1, 203.0.113.7")
            assert (await second.read()).startswith(b"HTTP/1.1 429"), "the left one is invented"
        async with talking(port) as (third, sending):
            sending.write(slow % b"203.0.113.8" + b"y")
            assert (await third.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503")
        writer.write(b"y")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503")
    assert application.reasons() == ["crowded"]


async def test_a_server_that_stops_answers_what_comes_in_the_next_moment() -> None:
    """A connection that rests is not closed under the request that is on its way."""
    state, application = ServerState(), Application(Edge(drain_seconds=1.0))
    async with (
        listening(application, state=state) as port,
        talking(port) as (reader, writer),
        talking(port) as (idle, _),
    ):
        writer.write(EVENT)
        await reader.readuntil(LAST_WORDS)
        await wait_until_async(lambda: len(state.connections) == 2, describe="both")
        for one in list(state.connections):
            one.shutdown()
        writer.write(EVENT)
        got = await reader.read()
        assert got.startswith(b"HTTP/1.1 503")
        assert b"connection: close" in got
        assert await idle.read() == b"", "and then it is closed"


async def test_a_source_has_its_rate_and_says_when_to_come_again(settings: Settings) -> None:
    path = settings.config_path
    path.write_text(path.read_text() + '[sources.held]\nprovider = "none"\nrate_limit = "2/h"\n')
    shed = {"source": "held", "reason": "rate_limited"}
    before = sample("hookkeeper_shed_total", **shed)
    async with receiving(settings) as client:
        found = [await client.post("/in/held", content=b"x") for _ in range(3)]
        other = await client.post("/in/open", content=b"x")
    assert [answer.status_code for answer in found] == [202, 202, 429]
    assert 1_700 < int(found[2].headers["retry-after"]) <= 1_800
    assert found[2].json()["error"]["code"] == "rate_limited"
    assert other.status_code == 202
    assert sample("hookkeeper_shed_total", **shed) == before + 1


async def test_a_body_that_comes_steadily_may_take_longer_than_one_that_stops(
    settings: Settings, sqlite_url: str
) -> None:
    """25 MB over a slow line take minutes; what stops has half a minute (here: a tenth of one)."""
    folder = settings.config_path.parent
    short = make_settings(folder, sqlite_url, BODY_TIMEOUT="300ms", BODY_RATE="100B")

    async def steady() -> AsyncIterator[bytes]:
        for _ in range(6):
            turn = asyncio.Event()
            asyncio.get_running_loop().call_later(0.1, turn.set)
            await turn.wait()
            yield b"x" * 50

    async with receiving(short) as client:
        assert (await client.post("/in/open", content=steady())).status_code == 202
