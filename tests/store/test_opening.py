"""Only a durable database with our current schema is opened."""

import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from ingest.errors import StoreRefused, StoreUnavailable
from ingest.store import Database, migrate, open_database
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer
from tests.store.making import accepted, arrival, execute


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("mysql://localhost/a", "SQLite or PostgreSQL"),
        ("postgresql+asyncpg://localhost/a", "SQLite or PostgreSQL"),
        ("data/hookkeeper.db", "sqlite:///path"),
        ("", "sqlite:///path"),
    ],
)
def test_a_database_we_do_not_run_on_is_refused(url: str, said: str) -> None:
    for use in (open_database, migrate):
        with pytest.raises(StoreRefused, match=re.escape(said)):
            use(url)


def test_a_missing_file_is_refused_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "hookkeeper.db"
    with pytest.raises(StoreRefused, match="hookkeeper migrate"):
        open_database(f"sqlite:///{path}")
    assert list(tmp_path.iterdir()) == []


def test_an_outdated_schema_is_refused(database: Database, database_url: str) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StoreRefused, match="hookkeeper migrate"):
        open_database(database_url)
    open_database(database_url, check_schema=False).close()
    execute(database, "DROP TABLE alembic_version")
    with pytest.raises(StoreRefused, match="no revision"):
        open_database(database_url)


def test_a_refusal_shows_no_password(postgres_url: str) -> None:
    url = postgres_url.replace("@", ":s3cret@")
    execute_on(postgres_url, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StoreRefused) as caught:
        open_database(url)
    assert "s3cret" not in str(caught.value)


def execute_on(url: str, statement: str) -> None:
    database = open_database(url, check_schema=False)
    try:
        execute(database, statement)
    finally:
        database.close()


@contextmanager
def setting(server: PostgresServer, name: str, value: str) -> Iterator[None]:
    """Change a setting of the whole server, as an operator in a hurry would."""
    with psycopg.connect(plain(server.url("postgres")), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute(f"ALTER SYSTEM RESET {name}".encode())
            connection.execute("SELECT pg_reload_conf()")


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit"])
def test_a_server_that_forgets_commits_is_refused(
    postgres_url: str, postgres_server: PostgresServer, name: str
) -> None:
    refusal = pytest.raises(StoreRefused, match=f"{name} = off")
    with setting(postgres_server, name, "off"), refusal:
        open_until_refused(postgres_url)
    open_until_accepted(postgres_url)


def open_until_refused(url: str) -> None:
    """A reload reaches the server's processes one after the other."""
    for _ in range(200):
        open_database(url).close()


def open_until_accepted(url: str) -> None:
    for _ in range(200):
        try:
            open_database(url).close()
        except StoreRefused:
            continue
        return
    raise AssertionError("the server is durable again, and still refused")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        open_database(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")


def test_sqlite_writes_ahead_and_syncs_every_commit(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    try:
        with database.read() as tx:
            pragmas = {
                name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint")
            }
    finally:
        database.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "wal_autocheckpoint": 1000,  # SQLite's own, kept
    }


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds bodies, and the headers' digests."""
    path = tmp_path / "new" / "hookkeeper.db"
    migrate(f"sqlite:///{path}")
    database = open_database(f"sqlite:///{path}")
    try:
        accepted(database, arrival())
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    finally:
        database.close()


def test_every_form_of_a_postgresql_url_means_our_driver(postgres_url: str) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        database = open_database(postgres_url.replace("postgresql+psycopg", scheme))
        try:
            assert database.url.drivername == "postgresql+psycopg"
        finally:
            database.close()


def test_the_clock_is_the_databases_and_moves_in_a_transaction(database: Database) -> None:
    """PostgreSQL's now() would stand still."""
    with database.read() as tx:
        first = database.now(tx)
        while database.now(tx) == first:
            pass
        assert database.now(tx) > first


def test_other_programs_can_read_the_file(sqlite_url: str) -> None:
    """Our functions are in no CHECK, index or view: sqlite3 on a terminal works."""
    path = sqlite_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
