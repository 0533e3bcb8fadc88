"""A secret is replaced through its file while events arrive: no valid request is turned away."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from ingest.config.settings import Settings
from ingest.store import Database, open_database
from ingest.store.rejected import Wanted, list_rejected
from tests.waiting import wait_until_async
from tests.web.rig import github_headers, receiving

pytestmark = pytest.mark.anyio

CONFIG = """
[sources.github]
provider = "github"
secrets = ["file:current", "file:next"]
"""
OLD, NEW = b"the old secret", b"the new secret"


class Sender:
    """A provider that never rests; ``secret`` is what it signs with from now on."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.secret = OLD
        self.answers: list[int] = []
        self._client = client
        self._numbers = itertools.count()
        self._stopping = False

    async def run(self) -> None:
        while not self._stopping:
            self.answers.append(await self.post(self.secret))

    async def post(self, secret: bytes) -> int:
        body = b'{"number":%d}' % next(self._numbers)
        headers = github_headers(body, delivery=f"d-{next(self._numbers)}", secret=secret)
        return (await self._client.post("/in/github", content=body, headers=headers)).status_code

    async def sends(self, count: int) -> None:
        """Wait for so many answers more."""
        wanted = len(self.answers) + count
        await wait_until_async(lambda: len(self.answers) >= wanted)

    def stop(self) -> None:
        self._stopping = True


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    with contextlib.closing(open_database(settings.database_url)) as opened:
        yield opened


async def test_a_rotation_under_load_turns_no_valid_request_away(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.reception._TICK_SECONDS", 0.02)
    folder = settings.config_path.parent
    settings.config_path.write_text(CONFIG)
    (folder / "current").write_bytes(OLD)
    (folder / "next").write_bytes(b"not chosen yet")
    async with receiving(settings) as client:
        senders = [Sender(client) for _ in range(4)]
        running = [asyncio.create_task(sender.run()) for sender in senders]
        await senders[0].sends(5)

        (folder / "next").write_bytes(NEW)

        async def believed() -> bool:
            return await Sender(client).post(NEW) in (200, 202)

        await wait_until_async(believed, describe="the new secret to be taken over")
        for sender in senders:  # one after the other: for a while both are in use
            sender.secret = NEW
            await senders[0].sends(5)
        (folder / "current").write_bytes(NEW)

        async def forgotten() -> bool:
            return await Sender(client).post(OLD) == 401

        await wait_until_async(forgotten, describe="the old secret to be given up")
        await senders[-1].sends(5)
        for sender in senders:
            sender.stop()
        await asyncio.gather(*running)
    answers = [answer for sender in senders for answer in sender.answers]
    assert set(answers) <= {200, 202}, answers
    assert len(answers) > 40
    with database.read() as tx:
        used = set(tx.execute(text("SELECT DISTINCT secret_name FROM events")).scalars())
    assert used == {"file:current", "file:next"}, "which secret matched is recorded"
    assert {row.reason for row in list_rejected(database, Wanted())} <= {"bad_signature"}
