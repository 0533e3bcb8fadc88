"""What the stories of exports begin with: a past of several sources and days, and an S3 server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.events import Event
from ingest.store import Database
from tests.export.object_store import ObjectStore
from tests.store import making

#: Noon, so that some hours more or less are the same day.
NOON = making.now_ms() // making.DAY_MS * making.DAY_MS - making.DAY_MS // 2
BODIES = (
    b'{"zen":"Anything added dilutes everything else."}',
    b"",
    b"\xff\x00\xfe",
    "ü€𝄞\n".encode(),
)


@pytest.fixture
def past(database: Database) -> list[Event]:
    """Twenty-four events of two sources on three days, in the order of their ids."""
    return [
        event
        for day in (3, 2, 1)
        for number in range(8)
        for event in making.stored(
            database,
            source=("github", "stripe")[number % 2],
            type=("push", "invoice.paid", "issues.opened", "issues")[number % 4],
            received_at=NOON - day * making.DAY_MS + number * 1_000,
            body=BODIES[number % 4],
            type_signed=(False, True, None)[number % 3],
        )
    ]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory for an export, which is not there yet."""
    return tmp_path / "archive"


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One S3 server for the run."""
    server = ObjectStore()
    server.start()
    yield server
    server.close()
