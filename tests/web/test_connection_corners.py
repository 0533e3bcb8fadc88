"""Corners of a connection: a flood of refused ones, words after the last, who left early."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from ingest import answers, connection
from ingest.callers import LOOPBACK, Callers
from ingest.edge import Edge
from tests.waiting import wait_until_async
from tests.web.test_connection import listening
from tests.web.test_slow import Application, talking
from tests.web.test_wire import HEAD

pytestmark = pytest.mark.anyio


async def test_who_floods_with_connections_takes_no_places_by_lingering(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A refused connection is heard for 2 s; 2,048 of them a second would be all there are."""
    monkeypatch.setattr(connection, "CONNECTIONS", 2)
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 3_600.0)
    state, application = ServerState(), Application(Edge(callers=Callers(1, free=())))
    async with listening(application, state=state) as port, talking(port):
        await wait_until_async(lambda: len(state.connections) == 1, describe="the first")
        async with talking(port) as (crowded, _):
            assert (await crowded.read()).startswith(b"HTTP/1.1 429")
            await wait_until_async(
                lambda: len(state.connections) == 1, timeout=5, describe="its place"
            )
    assert application.reasons() == ["crowded"]


async def test_who_expects_a_word_and_sends_no_body_is_told_once_and_breaks_nothing() -> None:
    """The request begins when it has been refused already; its 100 has no place any more."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: failures.append(what))
    application = Application()
    async with listening(application) as port, talking(port) as (reader, writer):
        framed = b"expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n"
        writer.write(HEAD % b"open" + framed)
        got = await reader.read()
        await wait_until_async(lambda: application.scopes, describe="the request to begin")
    assert got.startswith(b"HTTP/1.1 400")
    assert got.count(b"HTTP/1.1 ") == 1
    assert failures == []


async def test_a_sender_that_leaves_gives_its_place_back_once() -> None:
    """What it asked first ends after it has left, and may not give back another one's place."""
    go_on = asyncio.Event()

    class Held(Application):
        async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
            await go_on.wait()
            await answers.send_answer(answers.BUSY, receive, send)

    callers = Callers(5, trusted=LOOPBACK)
    assert callers.come("203.0.113.7"), "another one, from the same address"
    state, application = ServerState(), Held(Edge(callers=callers))
    asked = HEAD % b"open" + b"x-forwarded-for: 203.0.113.7\r\nexpect: 100-continue\r\n"
    asked += b"content-length: 1\r\n\r\nx"
    async with listening(application, state=state) as port, talking(port) as (_, leaving):
        leaving.write(asked * 2)
        await wait_until_async(lambda: state.connections, describe="the connection")
        (lost,) = state.connections
        assert isinstance(lost, connection.Connection)
        await wait_until_async(lambda: lost.pipeline, describe="the second to wait for the first")
        tasks = set(state.tasks)
        lost.transport.abort()  # as where its answers are not read
        await wait_until_async(lambda: not state.connections, describe="it to leave")
        go_on.set()
        await wait_until_async(lambda: all(each.done() for each in tasks), describe="its end")
    assert sum(callers._open.values()) == 1
