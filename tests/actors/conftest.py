"""Fixtures of the actors' tests: a folder as a user has it, and workers in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

# Before anything imports actors: these tests count for their own process, in no folder.
import ingest.metrics  # noqa: F401 - see above
from ingest.store import Database
from tests.actors.rig import Rig
from tests.services.mail import MailServer, make_certificate


@pytest.fixture
def rig(tmp_path: Path, database_url: str, database: Database, redis_url: str) -> Iterator[Rig]:
    """A folder on a database of each kind; whatever the test starts in it is stopped."""
    made = Rig(tmp_path / "folder", database_url, database, redis_url)
    yield made
    made.close()
    structlog.reset_defaults()


@pytest.fixture
def sqlite_rig(tmp_path: Path, sqlite_url: str, redis_url: str) -> Iterator[Rig]:
    """The same on SQLite alone, for what has nothing to do with the database."""
    from ingest.store import open_database  # noqa: PLC0415 - as in the root conftest

    database = open_database(sqlite_url)
    made = Rig(tmp_path / "folder", sqlite_url, database, redis_url)
    yield made
    made.close()
    database.close()
    structlog.reset_defaults()


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[MailServer]:
    """Takes mail in the clear."""
    server = MailServer(make_certificate(tmp_path), starttls=False)
    yield server
    server.close()
