"""Fixtures of the console's tests: most stories are told on both databases."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

# Before anything makes a console: these tests count for their own process, in no folder.
import ingest.metrics  # noqa: F401 - see above
from ingest.config.settings import Settings
from ingest.store import Database
from tests.console.rig import Console, answering, settings_in


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def users_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user's modules are imported anew by each console, from its own folder."""
    monkeypatch.setenv("TOKEN_SECRET", "a secret of a sender")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("console_handlers", None)


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    """On SQLite, where the kind of database does not matter."""
    return settings_in(tmp_path, sqlite_url)


@pytest.fixture
async def console(tmp_path: Path, database: Database, database_url: str) -> AsyncIterator[Console]:
    """A console on each kind of database."""
    settings = settings_in(tmp_path, database_url)
    async with answering(settings) as client:
        document = (await client.get("/api/v1/openapi.json")).json()
        yield Console(client, database, settings, document)
