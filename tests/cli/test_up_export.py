"""``hookkeeper up`` with nothing configured exports what comes, and says where to.

Without extras: the JSON lines of a local folder need neither pyarrow nor obstore.
"""

import json
from collections.abc import Iterator

import pytest

from ingest.store import open_database
from tests.cli.running import Up, running
from tests.store import making
from tests.waiting import wait_until

pytestmark = pytest.mark.live

MINUTE = 60_000


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("export")) as started:
        yield started


def test_the_banner_says_where_the_files_are(up: Up) -> None:
    assert "  export     data/exports/jsonl  (what is new, by schedule)" in up.said


def test_what_came_is_exported_by_a_schedule(up: Up) -> None:
    """Its minute has come, and the event's, too: nobody waits for them here."""
    database = open_database(f"sqlite:///{up.folder}/data/hookkeeper.db")
    try:
        (event,) = making.stored(database, received_at=making.now_ms() - 10 * MINUTE)
        missed = "UPDATE schedules SET fired_until = :at WHERE name = 'export-events'"
        making.execute(database, missed, at=making.now_ms() - 3 * MINUTE)
    finally:
        database.close()

    folder = up.folder / "data" / "exports" / "jsonl"

    def ids() -> list[str]:
        files = folder.rglob("*.jsonl")
        return [json.loads(line)["id"] for file in files for line in file.read_text().splitlines()]

    wait_until(lambda: ids() == [event.id], timeout=60, describe="the event in a file")
    wait_until(lambda: len(list((folder / "_exports").glob("*.json"))) == 1, timeout=60)
    listed = {row["name"]: row for row in up.run("schedules", "list", "--json").json}
    assert listed["export-events"]["last_at"] is not None
