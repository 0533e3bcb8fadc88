"""A database that is away, busy or broken: StoreUnavailable, soon, and whole again afterwards."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from ingest.errors import RowRejected, StoreRefused, StoreUnavailable
from ingest.events import DeliveryState
from ingest.store import Database, claims, open_database, queries
from ingest.store.accept import accept
from tests.services.postgres import PostgresServer
from tests.store.making import (
    a_worker,
    accepted,
    arrival,
    dispatched,
    execute,
    ids_of,
    key_of,
)

SECOND = 1.0


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()


def end_other_connections(url: str) -> None:
    with opened(url) as other:
        execute(
            other,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )


def test_connections_that_died_in_the_pool_cost_nothing(postgres_url: str) -> None:
    with opened(postgres_url) as database:
        accepted(database, arrival())
        end_other_connections(postgres_url)
        assert len(accepted(database, arrival())) == 1


@pytest.mark.parametrize("committed", ["lost", "reached the disk, its answer lost"])
def test_a_commit_with_an_unknown_outcome_is_tried_again(postgres_url: str, committed: str) -> None:
    """The connection breaks in the commit; nobody can know on which side of it."""
    made = [arrival(key=key_of("a")), arrival()]
    broken: list[bool] = []

    def break_once(connection: Connection) -> None:
        if broken:
            return
        broken.append(True)
        if committed != "lost":
            connection.connection.commit()
        connection.connection.dbapi_connection.close()  # type: ignore[union-attr]  # it has one

    with opened(postgres_url) as database:
        event.listen(database._engine, "commit", break_once)
        answers = accepted(database, *made)
        assert [answer.event_id for answer in answers] == [one.event_id for one in made]
        assert not any(answer.duplicate for answer in answers)
        assert len(queries.list_events(database)) == 2
    assert broken


def test_a_claim_whose_answer_was_lost_can_be_undone(postgres_url: str) -> None:
    """The commit reaches the disk, its answer never comes: nobody knows of the claim."""
    broken: list[bool] = []

    def break_once(connection: Connection) -> None:
        if not broken and connection.get_execution_options().get("hookkeeper_write"):
            broken.append(True)
            connection.connection.commit()
            connection.connection.dbapi_connection.close()  # type: ignore[union-attr]  # it has one

    with opened(postgres_url) as database:
        ids = ids_of(dispatched(database, "a", count=2))
        worker, other = a_worker(database), a_worker(database)
        event.listen(database._engine, "commit", break_once)
        with pytest.raises(StoreUnavailable):
            claims.claim(database, worker, ids, {})
        assert {row.state for row in queries.list_deliveries(database)} == {DeliveryState.RUNNING}

        assert claims.release_unconfirmed(database, other, ids) == []
        refs = claims.release_unconfirmed(database, worker, ids)

        assert sorted(ref.id for ref in refs) == sorted(ids)
        assert {row.starts for row in queries.list_deliveries(database)} == {0}
        assert ids_of(claims.claim(database, worker, ids, {})) == ids


def test_a_server_that_is_gone_is_said_within_a_second_and_found_again(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    with opened(postgres_url) as database:
        accepted(database, arrival())
        postgres_server.kill()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            accept(database, [arrival()])
        assert time.monotonic() - began < SECOND
        postgres_server.start()
        accepted(database, arrival())
        assert len(queries.list_events(database)) == 2


def test_a_writer_waits_for_others_less_than_a_second(database_url: str) -> None:
    """Another process holds what we need; the receiver has to answer 503 in time."""
    first = arrival(key=key_of("a"))
    with opened(database_url) as database, opened(database_url) as other, other.write() as tx:
        tx.execute(
            text("INSERT INTO dedupe VALUES (:key, 'x', :key, 0, 9223372036854775807)"),
            {"key": first.dedupe_key},
        )
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            accept(database, [first])
        assert time.monotonic() - began < SECOND
    with opened(database_url) as database:
        assert accepted(database, arrival())


def test_readers_do_not_wait_for_writers(database_url: str) -> None:
    with opened(database_url) as database, opened(database_url) as other, other.write() as tx:
        tx.execute(text("DELETE FROM events"))
        assert queries.list_events(database) == []


def test_a_lock_of_a_stranger_is_waited_for_in_time(sqlite_url: str) -> None:
    """Not every program takes our file lock: sqlite3 on a terminal holds SQLite's own."""
    path = sqlite_url.removeprefix("sqlite:///")
    with opened(sqlite_url) as database, closing(sqlite3.connect(path)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            accept(database, [arrival()])
        assert time.monotonic() - began < SECOND + 0.5
        stranger.rollback()
        accepted(database, arrival())


def test_every_write_of_sqlite_holds_the_file_lock(sqlite_url: str) -> None:
    """The kernel's queue before SQLite's polling: p99 with 6 writers 233 -> 18 ms (design.md)."""
    path = Path(sqlite_url.removeprefix("sqlite:///") + ".lock")
    with opened(sqlite_url) as database, path.open("a") as file:
        with database.write(), pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_full_disk_is_no_promise_and_heals(sqlite_url: str) -> None:
    with opened(sqlite_url) as database:
        with database.read() as tx:
            pages = tx.execute(text("PRAGMA page_count")).scalar_one()
        limit_pages(database, pages)
        with pytest.raises(StoreUnavailable, match="full"):
            accept(database, [arrival(b"x" * 1_000_000)])
        assert queries.list_events(database) == []
        limit_pages(database, 1_000_000)
        accepted(database, arrival(b"x" * 1_000_000))


def limit_pages(database: Database, pages: int) -> None:
    """SQLite refuses to grow beyond this many pages, with the same error as a full disk."""
    with database.read() as tx:
        tx.execute(text(f"PRAGMA max_page_count = {pages}"))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"these are my notes, not a database" * 100)
    with pytest.raises(StoreRefused, match="backup"):
        open_database(f"sqlite:///{path}")


def test_an_error_in_our_own_sql_is_no_outage(database: Database) -> None:
    """Or a mistake of ours would look like a database that is away, for ever."""
    unknown: type[Exception] = StoreUnavailable
    with pytest.raises(Exception, match="nowhere") as caught, database.read() as tx:
        tx.execute(text("SELECT nowhere FROM events"))
    if database.dialect == "postgresql":
        assert not isinstance(caught.value, unknown)


def test_nothing_of_a_failed_transaction_stays(database: Database) -> None:
    def fail(tx: Any) -> None:
        tx.execute(text("INSERT INTO paused_destinations VALUES ('a', '', 0)"))
        tx.execute(text("INSERT INTO paused_destinations VALUES ('a', '', 0)"))

    with pytest.raises(RowRejected), database.write() as tx:
        fail(tx)
    with database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM paused_destinations")).scalar_one() == 0
