"""A backup is one moment of the store, whole, while receiving goes on."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.errors import HookkeeperError, StoreUnavailable
from ingest.store import Database, open_database, queries
from ingest.store.backup import backup
from tests.store.making import accepted, arrival, one


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Only SQLite is backed up by us."""
    return sqlite_url


def test_everything_committed_before_is_in_it(database: Database, tmp_path: Path) -> None:
    made = [arrival(b"%d" % number) for number in range(20)]
    accepted(database, *made)
    target = tmp_path / "backup.db"
    backup(database, target)
    copy = open_database(f"sqlite:///{target}")
    try:
        for one_arrival in made:
            assert queries.get_event(copy, one_arrival.event_id).body == one_arrival.body
        assert accepted(copy, arrival())
    finally:
        copy.close()


def test_it_is_complete_and_its_owners_alone(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    backup(database, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("backup.db?*"))


def test_receiving_goes_on_meanwhile(database: Database, tmp_path: Path) -> None:
    accepted(database, *(arrival(b"x" * 50_000) for _ in range(100)))
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [accepted(database, arrival()) for _ in range(50)])
        backup(database, tmp_path / "backup.db")
        writing.result()
    copy = open_database(f"sqlite:///{tmp_path / 'backup.db'}")
    try:
        events = one(copy, "SELECT count(*) FROM events")
        assert 100 <= events <= 150
        assert one(copy, "SELECT count(*) FROM payloads") == events
    finally:
        copy.close()


def test_an_existing_file_is_left_as_it_is(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "thesis.db"
    target.write_text("not a backup")
    with pytest.raises(HookkeeperError, match="left as it is"):
        backup(database, target)
    assert target.read_text() == "not a backup"


def test_a_backup_that_fails_leaves_no_half_one(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no backup"):
        backup(database, tmp_path / "missing" / "backup.db")
    assert not (tmp_path / "missing").exists()


def test_postgresql_has_its_own_tools(postgres_url: str, tmp_path: Path) -> None:
    database = open_database(postgres_url)
    try:
        with pytest.raises(HookkeeperError, match="pg_dump"):
            backup(database, tmp_path / "backup.db")
    finally:
        database.close()
    assert list(tmp_path.glob("backup*")) == []
