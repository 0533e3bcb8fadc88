"""The table as a user's own migrations make it: the lines of the README."""

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from django.db import connections
from django.db.migrations import RunSQL
from django.db.migrations.state import ProjectState

from ingest import inbox
from tests.inbox import shops
from tests.inbox.shops import ask, order


def columns(url: str) -> set[str]:
    with shops.engine_of(url) as engine:
        inspector = sqlalchemy.inspect(engine)
        if not inspector.has_table("hookkeeper_inbox"):
            return set()
        assert inspector.get_pk_constraint("hookkeeper_inbox")["constrained_columns"] == [
            *("event_id", "handler", "generation"),
        ]
        assert [index["column_names"] for index in inspector.get_indexes("hookkeeper_inbox")] == [
            ["claimed_at"],
        ]
        return {column["name"] for column in inspector.get_columns("hookkeeper_inbox")}


def test_alembic_makes_and_removes_it(sqlite_shop: str, postgres_shop: str) -> None:
    for url in (sqlite_shop, postgres_shop):
        ask(url, inbox.DROP_TABLE)
        with shops.of_sqlalchemy(url) as connection:
            operations = Operations(MigrationContext.configure(connection))
            for statement in inbox.CREATE_TABLE:
                operations.execute(statement)
            assert inbox.claim(connection, order())
        assert columns(url) == {"event_id", "handler", "generation", "claimed_at"}
        with shops.of_sqlalchemy(url) as connection:
            Operations(MigrationContext.configure(connection)).execute(inbox.DROP_TABLE)
        assert columns(url) == set()


def test_django_makes_and_removes_it(sqlite_shop: str, postgres_shop: str) -> None:
    operation = RunSQL(inbox.CREATE_TABLE, inbox.DROP_TABLE)
    for url in (sqlite_shop, postgres_shop):
        ask(url, inbox.DROP_TABLE)
        django = connections[shops.know_to_django(url)]
        for move, expected in ((operation.database_forwards, 4), (operation.database_backwards, 0)):
            with django.schema_editor() as editor:
                move("shop", editor, ProjectState(), ProjectState())
            assert len(columns(url)) == expected
        django.close()
