"""Fixtures of the receiver's tests: SQLite where the kind of database does not matter."""

from pathlib import Path

import pytest

from ingest.config.settings import Settings
from tests.web.rig import SECRET, make_settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def github_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", SECRET.decode())


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return make_settings(tmp_path, sqlite_url)
