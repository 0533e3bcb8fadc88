"""What a sender gets for anything that is no event: the right status, a stable code, no secret."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.body import InFlight, TooMuchInFlight
from ingest.config.settings import Settings
from tests.waiting import wait_until_async
from tests.web.rig import (
    CONFIG,
    count_events,
    github_headers,
    make_settings,
    receiving,
    sample,
)

pytestmark = pytest.mark.anyio


def code(answer: httpx.Response) -> str:
    error = answer.json()["error"]
    assert error.keys() == {"code", "message"}
    assert error["message"].endswith(".")
    return str(error["code"])


async def test_a_tampered_body_is_rejected(settings: Settings) -> None:
    headers = github_headers(b'{"amount":1}')
    async with receiving(settings) as client:
        answer = await client.post("/in/github", content=b'{"amount":9}', headers=headers)
    assert (answer.status_code, code(answer)) == (401, "bad_signature")
    assert count_events(settings.database_url) == 0


async def test_a_missing_signature_is_rejected(settings: Settings) -> None:
    async with receiving(settings) as client:
        answer = await client.post("/in/github", content=b"{}")
    assert (answer.status_code, code(answer)) == (401, "missing_signature")


async def test_a_provider_that_wants_another_failure_gets_it(settings: Settings) -> None:
    async with receiving(settings) as client:
        answer = await client.post("/in/token", content=b"x", headers={"x-gitlab-token": "no"})
    assert answer.status_code == 403


async def test_no_answer_names_a_secret_or_where_it_is(settings: Settings) -> None:
    """The detail is for the operator's log; a stranger learns the kind of mistake."""
    async with receiving(settings) as client:
        for headers in ({}, github_headers(b"other"), {"x-hub-signature-256": "sha256=zz"}):
            answer = await client.post("/in/github", content=b"{}", headers=headers)
            assert answer.status_code == 401
            assert "GITHUB_WEBHOOK_SECRET" not in answer.text


async def test_an_unknown_source_is_not_found_and_counts_as_unknown(settings: Settings) -> None:
    """A label that a stranger chooses would let him fill the metrics."""
    before = sample("hookkeeper_received_total", source="unknown")
    async with receiving(settings) as client:
        answer = await client.post("/in/gihtub", content=b"{}")
    assert (answer.status_code, code(answer)) == (404, "unknown_source")
    assert sample("hookkeeper_received_total", source="unknown") == before + 1
    assert sample("hookkeeper_received_total", source="gihtub") == 0


@pytest.mark.parametrize("path", ["/", "/in", "/in/", "/in/github/", "/in/github/x", "/metrics"])
async def test_other_paths_are_not_found_and_nobody_is_redirected(
    settings: Settings, path: str
) -> None:
    """GitHub does not follow a redirect with its body, so a 307 would lose the event."""
    async with receiving(settings) as client:
        answer = await client.post(path, content=b"{}")
    assert (answer.status_code, code(answer)) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused_where_no_handshake_is_declared(
    settings: Settings, method: str
) -> None:
    async with receiving(settings) as client:
        answer = await client.request(method, "/in/github")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_a_body_over_the_cap_is_refused_and_never_cut(settings: Settings) -> None:
    async with receiving(settings) as client:
        fits = await client.post("/in/small", content=b"x" * 1000)
        declared = await client.post("/in/small", content=b"x" * 1001)
        chunked = await client.post("/in/small", content=chunks(11))
    assert fits.status_code == 202
    assert (declared.status_code, code(declared)) == (413, "too_large")
    assert (chunked.status_code, code(chunked)) == (413, "too_large")
    assert declared.headers["connection"] == "close"
    assert count_events(settings.database_url) == 1


async def chunks(count: int) -> AsyncIterator[bytes]:
    """A body without a length: httpx sends such a stream in chunks."""
    for _ in range(count):
        yield b"x" * 100


async def test_a_head_no_honest_sender_has_is_refused(settings: Settings) -> None:
    many = [(f"x-{number}", "1") for number in range(120)]
    async with receiving(settings) as client:
        for headers in (many, [("x-long", "a" * 40_000)]):
            answer = await client.post("/in/open", content=b"x", headers=headers)
            assert (answer.status_code, code(answer)) == (431, "head_too_large")


async def test_a_nearly_full_disk_is_refused_before_it_is_full(
    tmp_path: Path, sqlite_url: str
) -> None:
    settings = make_settings(tmp_path, sqlite_url, DISK_LOW_WATER="1000000GB")
    async with receiving(settings) as client:
        answer = await client.post("/in/open", content=b"x")
        ready = await client.get("/readyz")
    assert (answer.status_code, code(answer)) == (503, "disk_low")
    assert answer.headers["retry-after"] == "2"
    assert ready.status_code == 503
    assert ready.json()["checks"]["disk"] != "ok"
    assert ready.json()["checks"]["database"] == "ok"


async def test_those_who_are_turned_away_share_a_line_of_the_log(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line each would fill the disk just when it is full."""
    monkeypatch.setattr("ingest.shed._SECONDS", 0.05)
    settings = make_settings(tmp_path, sqlite_url, DISK_LOW_WATER="1000000GB")
    said: list[str] = []

    def lines() -> list[dict[str, Any]]:
        said.extend(capsys.readouterr().out.splitlines())
        return [json.loads(line) for line in said if '"requests.shed"' in line]

    async with receiving(settings) as client:
        for _ in range(3):
            await client.post("/in/open", content=b"x")
        await wait_until_async(
            lambda: sum(line["requests"] for line in lines()) == 3, describe="all of them"
        )
    assert {(line["source"], line["reason"]) for line in lines()} == {("open", "disk_low")}
    assert len(lines()) < 3


async def test_more_bytes_in_flight_than_allowed_are_shed(tmp_path: Path, sqlite_url: str) -> None:
    settings = make_settings(tmp_path, sqlite_url, MAX_IN_FLIGHT="2KB")
    async with receiving(settings) as client:
        shed = await client.post("/in/open", content=b"x" * 2001)
        fits = await client.post("/in/open", content=b"x" * 2000)
    assert (shed.status_code, code(shed)) == (503, "in_flight")
    assert shed.headers["retry-after"] == "2"
    assert fits.status_code == 202


def test_bytes_in_flight_are_given_back_however_a_request_ends() -> None:
    in_flight = InFlight(limit=10)
    lease = in_flight.lease()
    with pytest.raises(TooMuchInFlight):
        lease.hold(11, limit=20, more=False)
    assert in_flight.full
    lease.release()
    assert in_flight.held == 0


async def test_a_secret_that_ended_is_our_trouble_until_another_is_given(
    tmp_path: Path, sqlite_url: str
) -> None:
    """With no secret in force every signature is wrong; a 401 would make the sender give up."""
    secret = '[{ value = "env:GITHUB_WEBHOOK_SECRET", expires = "2020-01-01T00:00:00Z" }]'
    config = CONFIG.replace('["env:GITHUB_WEBHOOK_SECRET"]', secret, 1)
    (tmp_path / "hookkeeper.toml").write_text(config)
    async with receiving(make_settings(tmp_path, sqlite_url)) as client:
        answer = await client.post(
            "/in/github", content=b"{}", headers=github_headers(b"{}", secret=b"another")
        )
    assert (answer.status_code, code(answer)) == (503, "no_secret")
