"""The receiver's paths: one for events, taken as a router would take it; nothing else is there."""

from collections.abc import Callable
from typing import Self

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from ingest.answers import Answer
from ingest.edge import Edge
from ingest.health import Health
from ingest.paths import Application

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Well:
    """A database and a disk that have nothing to complain of."""

    trouble = None
    low = False


class Echo:
    """Stands behind the paths, and answers every event with the name of its source."""

    def __init__(self) -> None:
        self.health = Health(Well(), Well())
        self.edge = Edge()
        self.sources: list[str] = []

    @property
    def receiver(self) -> Self:
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.sources.append(scope["path_params"]["source"])
        await PlainTextResponse(self.sources[-1])(scope, receive, send)

    def take(self, _scope: Scope, _whole: bytes, _reply: Callable[[Answer], None]) -> None:
        raise AssertionError("only a connection hands over what came whole")

    async def start(self) -> None:
        raise AssertionError

    async def stop(self) -> None:
        raise AssertionError


async def answer(path: str, method: str = "POST") -> httpx.Response:
    transport = httpx.ASGITransport(Application(Echo()))
    async with httpx.AsyncClient(transport=transport, base_url="http://hooks.test") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/in/github", "github"),
        ("/in/github?a=/b/", "github"),
        ("/in/a%20b", "a b"),
        ("/in/%C3%BC", "ü"),
        ("/in/in", "in"),
        ("/in/%2e%2e", ".."),
        ("/in/livez", "livez"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_an_event_reaches_the_receiver_with_the_name_of_its_source(
    path: str, source: str, method: str
) -> None:
    """Whatever the method: the receiver says itself what it thinks of it."""
    found = await answer(path, method)
    assert (found.status_code, found.text) == (200, source)


@pytest.mark.parametrize(
    "path",
    ["/in/", "/in", "/in/a/b", "/in/github/", "/in//a", "/in/a%2Fb", "/", "//in/a", "/IN/a", "/x"],
)
async def test_any_other_path_is_nothing_and_says_where_to_post(path: str) -> None:
    found = await answer(path)
    assert found.status_code == 404
    assert found.json()["error"]["code"] == "not_found"
    assert "/in/{source}" in found.text


async def test_the_probes_are_where_they_were() -> None:
    assert (await answer("/livez", "GET")).json() == {"status": "ok"}
    assert (await answer("/readyz", "GET")).status_code == 200
    assert (await answer("/livez", "POST")).status_code == 405


@given(st.text(alphabet=st.sampled_from("/in.a%\n\0 ü"), max_size=12))
async def test_every_path_goes_where_a_router_would_have_sent_it(rest: str) -> None:
    """The short cut is there for its speed alone (ingest/paths.py)."""
    echo = Echo()
    application, route = Application(echo), Route("/in/{source}", echo.receiver)
    expected: list[str] = []
    for path in (f"/in/{rest}", f"/{rest}"):
        scope = {
            "type": "http",
            "method": "POST",
            "headers": [],
            "path": path,
            "raw_path": path.encode(),
        }
        match, found = route.matches(scope)
        expected += [found["path_params"]["source"]] if match is not Match.NONE else []
        await application(scope, empty, nowhere)
    assert echo.sources == expected


async def empty() -> Message:
    return {"type": "http.request"}


async def nowhere(_message: Message) -> None:
    """Drop an answer."""
