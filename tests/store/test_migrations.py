"""The migrations lead to the schema that the code believes in, on both databases."""

import ast
import hashlib
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import ingest.store.job_schema
import ingest.store.rejected_schema  # noqa: F401 - their tables belong to the same metadata
from ingest.errors import RowRejected, StoreRefused
from ingest.events import DestinationKind, EventState
from ingest.store import Database, migrate, open_database, queries
from ingest.store import schema as wanted
from ingest.store.database import parse_url
from tests.services.postgres import PostgresServer
from tests.store.making import accepted, arrival, execute, new_id, rows
from tests.waiting import wait_until

SCRIPTS = Path(wanted.__file__).with_name("migrations")
ALL = [f"{number:04}" for number in range(1, int(wanted.REVISION) + 1)]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a single table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.start()
    name = f"empty_{tmp_path.name.lower().replace('-', '_')}"[:60]
    yield server.create_database(name)
    server.drop_database(name)


def catalogue(tx: Connection) -> list[tuple[str, ...]]:
    """Everything the database itself says about our schema, in one spelling."""
    if tx.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master"
    else:
        query = """
            SELECT table_name || '.' || column_name AS name, concat_ws(' ', data_type, is_nullable,
                   column_default, collation_name) AS definition
            FROM information_schema.columns WHERE table_schema = 'public'
            UNION ALL
            SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL
            SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"""
    found = [
        (name, *clauses(definition or ""))
        for name, definition in tx.execute(text(query))
        if "alembic_version" not in name
    ]
    return sorted(found)


def clauses(definition: str) -> list[str]:
    """Break a CREATE TABLE up: the order of its parts has no meaning; what was added is last."""
    words = " ".join(definition.split()).removesuffix(")")
    if not words.startswith("CREATE TABLE"):
        return [words]
    parts, depth = [""], 0
    for character in words.partition("(")[2]:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return sorted(part.strip() for part in parts)


def test_the_migrations_make_exactly_the_schema(empty_url: str) -> None:
    """What the database says after the migrations, and after creating the tables of the code."""
    migrate(empty_url)
    database = open_database(empty_url)
    try:
        with database.read() as tx:
            migrated = catalogue(tx)
        with database.write() as tx:
            wanted.metadata.drop_all(tx)
            assert catalogue(tx) == []
            wanted.metadata.create_all(tx)
        with database.read() as tx:
            assert catalogue(tx) == migrated
            assert len(migrated) > len(wanted.metadata.tables)
    finally:
        database.close()


def test_alembic_finds_nothing_to_add(database: Database) -> None:
    with database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), wanted.metadata) == []


def test_the_code_names_the_newest_migration() -> None:
    """open_database compares with this name, and does not load Alembic for it."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [wanted.REVISION]


def test_what_was_applied_is_said_once(empty_url: str) -> None:
    assert migrate(empty_url) == ALL
    assert migrate(empty_url) == []


def test_events_of_the_first_schema_are_found_after_the_second(empty_url: str) -> None:
    """Rows and their payloads stay as they were; a second run has nothing to do."""
    migrate_to(empty_url, "0001")
    database = Database(parse_url(empty_url))
    try:
        made = stored_by_old_code(database, b"kept as it was")
        assert migrate(empty_url) == ALL[1:]
        (row,) = queries.list_events(database, source="github", state=EventState.STORED)
        assert row.id == made
        assert row.type_signed is None, "nobody wrote it down"
        kept = queries.get_event(database, row.id)
        assert (kept.body, kept.type_signed) == (b"kept as it was", None)
    finally:
        database.close()


def test_deliveries_of_the_second_schema_may_be_mails_after_the_third(empty_url: str) -> None:
    """On SQLite the text of a CHECK was edited; rows and constraints are as they were."""
    migrate_to(empty_url, "0002")
    database = Database(parse_url(empty_url))
    try:
        delivery_id = delivered_by_old_code(database, stored_by_old_code(database, b"{}"))
        kind = "UPDATE deliveries SET kind = :kind"
        with pytest.raises(RowRejected):
            execute(database, kind, kind="email")
        assert migrate(empty_url) == ALL[2:]
        execute(database, kind, kind="email")
        with pytest.raises(RowRejected):
            execute(database, kind, kind="pigeon")
        (row,) = queries.list_deliveries(database)
        assert (row.id, row.kind) == (delivery_id, DestinationKind.EMAIL)
        if database.dialect == "sqlite":
            assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    finally:
        database.close()


def stored_by_old_code(database: Database, body: bytes) -> str:
    """Store an event by the columns that there were at first; return its id."""
    id_ = new_id()
    execute(
        database,
        "INSERT INTO events (id, source, type, state, received_at, stored_at, wake_at, trace_id)"
        " VALUES (:id, 'github', 'push', 'stored', 1, 1, 1, 'trace')",
        id=id_,
    )
    execute(
        database,
        "INSERT INTO payloads (event_id, headers, query, content_type, body, body_sha256)"
        " VALUES (:id, '[]', '', '', :body, :sha)",
        id=id_,
        body=body,
        sha=hashlib.sha256(body).digest(),
    )
    return id_


def delivered_by_old_code(database: Database, event_id: str) -> str:
    """Write a delivery of an event likewise; return its id."""
    id_ = new_id()
    execute(
        database,
        "INSERT INTO deliveries"
        " (id, event_id, destination, kind, queue, generation, state, due_at, wake_at, created_at)"
        " VALUES (:id, :event_id, 'billing', 'http', 'deliver', 0, 'waiting', 1, 1, 1)",
        id=id_,
        event_id=event_id,
    )
    return id_


def test_the_release_before_stores_beside_the_newest_schema(database: Database) -> None:
    """Its events are there for all, and do not say what it does not know."""
    made = stored_by_old_code(database, b"by the other machine")
    assert queries.get_event(database, made).type_signed is None


def migrate_to(url: str, revision: str) -> None:
    """Stop at an older schema, as an older Hookkeeper did."""
    database = Database(parse_url(prepared(url)))
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    try:
        with database.write() as tx:
            config.attributes.update(connection=tx, applied=[])
            command.upgrade(config, revision)
    finally:
        database.close()


def test_a_newer_schema_is_refused_in_words(database: Database, database_url: str) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    execute(database, "UPDATE compatibility SET oldest_code = '9998'")
    with pytest.raises(StoreRefused, match=r"9999.*newer Hookkeeper"):
        migrate(database_url)
    with pytest.raises(StoreRefused, match=r"9999.*newer"):
        open_database(database_url)


def test_a_newer_schema_that_goes_with_this_code_is_used_and_left_as_it_is(
    database: Database, database_url: str
) -> None:
    """As beside a machine that was upgraded before, or after going back to the old release."""
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    ((oldest_code,),) = rows(database, "SELECT oldest_code FROM compatibility")
    assert oldest_code <= wanted.REVISION
    assert migrate(database_url) == []
    opened = open_database(database_url)
    try:
        (made,) = accepted(opened, arrival(b"beside newer code"))
        assert queries.get_event(opened, made.event_id).body == b"beside newer code"
    finally:
        opened.close()


def test_processes_may_migrate_at_once(empty_url: str) -> None:
    """`hookkeeper up` on two machines: one applies, the other waits and finds it done."""
    code = "import sys; from ingest.store import migrate; print(migrate(sys.argv[1]))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, empty_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = []
    for process in started:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        said.append(output.strip())
    assert sorted(said) == [str(ALL), "[]", "[]", "[]"]


def test_a_migration_that_fails_leaves_nothing(empty_url: str) -> None:
    """A table of that name is there already, somebody else's."""
    database = Database(parse_url(prepared(empty_url)))
    try:
        with database.write() as tx:
            tx.execute(text("CREATE TABLE workers (id integer)"))
        with pytest.raises(Exception, match="workers"):
            migrate(empty_url)
        with database.read() as tx:
            assert [row[0].partition(".")[0] for row in catalogue(tx)] == ["workers"]
    finally:
        database.close()


def test_a_migration_that_waits_for_a_table_lets_the_others_pass(
    postgres_server: PostgresServer,
) -> None:
    """On PostgreSQL a waiting ALTER TABLE stops all who come after it, readers too."""
    postgres_server.start()
    url = postgres_server.create_database(f"waits_{uuid.uuid4().hex[:8]}")
    migrate_to(url, "0001")
    reading = Database(parse_url(url))
    waited: list[float] = []
    applied: list[str] = []
    migrating = threading.Thread(target=lambda: applied.extend(migrate(url)))
    try:
        with reading.read() as tx:
            tx.execute(text("SELECT count(*) FROM events"))  # holds the table until it ends
            migrating.start()
            wait_until(lambda: _seconds_to_read(reading, waited) > 0.1, describe="a reader waits")
    finally:
        reading.close()
    migrating.join()
    assert applied == ALL[1:]
    assert max(waited) < 10  # in place of the minute for which a migration is patient


def _seconds_to_read(database: Database, waited: list[float]) -> float:
    started = time.monotonic()
    with database.read() as tx:
        tx.execute(text("SET LOCAL lock_timeout = 0"))
        tx.execute(text("SELECT count(*) FROM events"))
    waited.append(time.monotonic() - started)
    return waited[-1]


def test_from_now_on_a_migration_only_adds_and_says_which_code_may_go_on() -> None:
    """Old code works beside it, and no large table is locked while it is rewritten."""
    allowed = {"create_table", "add_column", "f", "get_bind"}
    oldest = ""
    for path in sorted((SCRIPTS / "versions").glob("*.py")):
        if path.name < "0007":
            continue  # before the first release: nobody runs older code
        source = path.read_text()
        named = re.search(r'^oldest_code = "(\d{4})"$', source, re.MULTILINE)
        assert named, path.name
        assert named[1] >= oldest, f"{path.name}: what came before it is there as well"
        oldest = named[1]
        assert set(re.findall(r"\bop\.(\w+)\(", source)) <= allowed, path.name
        assert not demanding(source), f"{path.name}: old code does not fill this column"


def test_a_column_that_old_code_would_have_to_fill_is_noticed() -> None:
    column = 'op.add_column("events", sa.Column("note", sa.Text(), nullable=False{}))'
    assert demanding(column.format(""))
    assert not demanding(column.format(', server_default=""'))
    assert not demanding('op.add_column("events", sa.Column("note", sa.Text(), nullable=True))')


def demanding(source: str) -> list[str]:
    """The columns that a migration adds without a value for the rows of older code."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    added = [ast.unparse(call) for call in calls if ast.unparse(call.func) == "op.add_column"]
    return [one for one in added if "nullable=True" not in one and "server_default=" not in one]


def prepared(url: str) -> str:
    """SQLAlchemy makes the SQLite file, but not with our rights; migrate does."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
    return url
