"""Who is let in, and what a browser that was led here gets."""

import json
from pathlib import Path

import pytest

from ingest.config.settings import Settings
from tests.console.rig import TOKEN, answering
from tests.waiting import wait_until_async

pytestmark = pytest.mark.anyio

PATHS = ("/api/v1/events", "/api/v1/openapi.json", "/api/v1/nothing-like-it", "/")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN, f"Basic {TOKEN}"],
)
async def test_without_the_token_nothing_is_told_not_even_what_exists(
    settings: Settings, path: str, authorization: str
) -> None:
    async with answering(settings) as client:
        answer = await client.get(path, headers={"authorization": authorization})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert answer.json()["error"]["code"] == "unauthorized"


async def test_two_tokens_are_none(settings: Settings) -> None:
    headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]
    async with answering(settings) as client:
        del client.headers["authorization"]
        answer = await client.get("/api/v1/events", headers=headers)

    assert answer.status_code == 401


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
async def test_the_token_opens_everything(settings: Settings, word: str) -> None:
    async with answering(settings) as client:
        answer = await client.get("/api/v1/events", headers={"authorization": f"{word} {TOKEN}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_needs_no_token(settings: Settings, path: str) -> None:
    async with answering(settings, token="wrong") as client:
        answer = await client.get(path)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "localhost:8091",
        "127.0.0.1:1",
        "[::1]:65535",
        "LOCALHOST",
    ],
)
async def test_it_answers_to_the_names_of_this_machine(settings: Settings, host: str) -> None:
    async with answering(settings) as client:
        answer = await client.get("/api/v1/events", headers={"host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8091", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("127.0.0.1:8091@evil.example", "evil.example#localhost", "", "0.0.0.0", "127.1"),
        *("localhost:8091:1", "localhost:123456", "[::1", "localhost\n"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/events", "/livez"])
async def test_a_page_that_lets_its_name_lead_here_gets_nothing(
    settings: Settings, host: str, path: str
) -> None:
    """DNS rebinding: the browser takes the page's own name for this port's."""
    async with answering(settings) as client:
        answer = await client.get(path, headers={"host": host})

    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "wrong_host"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
async def test_no_other_page_may_read_an_answer(settings: Settings, origin: str) -> None:
    """No answer has a CORS header, and a preflight gets none either."""
    asking = {"origin": origin, "access-control-request-method": "POST"}
    async with answering(settings) as client:
        answers = [
            await client.get("/api/v1/events", headers=asking),
            await client.options("/api/v1/events", headers=asking),
            await client.get("/api/v1/events", headers={**asking, "authorization": ""}),
        ]

    names = {name for answer in answers for name in answer.headers}
    assert not {name for name in names if name.startswith("access-control-")}
    assert [answer.status_code for answer in answers] == [200, 405, 401]


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/nothing", "/livez"])
async def test_every_answer_is_for_whoever_asked_and_is_what_it_says(
    settings: Settings, path: str
) -> None:
    async with answering(settings) as client:
        headers = (await client.get(path)).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_token_is_replaced_while_the_console_runs(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "console.token").write_text("the first token, long enough")

    async with answering(settings, token="the first token, long enough") as client:
        assert (await client.get("/api/v1/events")).status_code == 200
        (tmp_path / "console.token").write_text(TOKEN)

        async def replaced() -> bool:
            shown = {"authorization": f"Bearer {TOKEN}"}
            return (await client.get("/api/v1/events", headers=shown)).status_code == 200

        await wait_until_async(replaced, describe="the new token to count")
        assert (await client.get("/api/v1/events")).status_code == 401


async def test_no_line_of_the_log_holds_the_token(
    settings: Settings, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async with answering(settings) as client:
        await client.get("/api/v1/events")
        await client.post("/api/v1/destinations/billing/pause", json={"reason": "a move"})
        await client.get("/api/v1/events", headers={"authorization": f"Bearer {TOKEN}wrong"})

    printed = capfdbinary.readouterr().out
    assert TOKEN.encode() not in printed
    lines = [json.loads(line) for line in printed.splitlines()]
    (done,) = [line for line in lines if line["event"] == "console.done"]
    assert (done["operation"], done["name"], done["status"]) == (
        "pause_destination",
        "billing",
        200,
    )
