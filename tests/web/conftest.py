"""Fixtures of the receiver's tests: SQLite where the kind of database does not matter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.config.settings import Settings
from tests.web.rig import SECRET, Server, make_settings, serving


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def github_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", SECRET.decode())


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return make_settings(tmp_path, sqlite_url)


@pytest.fixture(scope="module")
def wire_url(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> str:
    """The database of a module's server."""
    path = tmp_path_factory.mktemp("wire") / "hookkeeper.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, wire_url: str) -> Iterator[Server]:
    """A real process, one for a module's tests."""
    with serving(tmp_path_factory.mktemp("server"), wire_url) as running:
        yield running
