"""Many rows by one statement, said to the driver: SQLAlchemy's own cost would be most of it.

Measured for a batch of 32 events of 2 KB, client CPU included (ops/bench/README.md): 160 us an
event through SQLAlchemy's insert-many, 40 through this. The statement's text never changes, so both
drivers prepare it once:

* SQLite: a row of placeholders, run for each row inside the driver. The time is one of them: a
  function of ours would be called, and wait for the interpreter, once a row.
* PostgreSQL: one array a column, binary, unnested; COPY has no ON CONFLICT.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

from ingest.store.dialect import now

_DIALECTS: dict[str, Dialect] = {
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy has no annotation there
    "sqlite": sqlite.dialect(),
}


class BulkInsert:
    """Inserts rows into a table.

    ``columns``: what each row gives, in order. ``fixed``: SQL for columns that are the same in
    every row; ``on_conflict``: the rest of the statement. Both may say ``{now}`` for the
    database's clock in milliseconds; ``from_now``: columns that are given as so many from now.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        on_conflict: str,
        fixed: Mapping[str, str] | None = None,
        from_now: Collection[str] = (),
    ) -> None:
        self._statements: dict[str, str] = {}
        for dialect in _DIALECTS:
            given = {name: _given(dialect, number, name) for number, name in enumerate(columns, 1)}
            values = {name: sql + (" + {now}" * (name in from_now)) for name, sql in given.items()}
            values |= fixed or {}
            rest = f"{_rows(dialect, table, columns, values)} {on_conflict}"
            self._asks_the_time = "{now}" in rest
            said = f"INSERT INTO {table.name} ({', '.join(values)}) {rest}"
            self._statements[dialect] = said.replace("{now}", _now(dialect, len(columns) + 1))

    def __call__(self, tx: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert; return how many rows were added or, on a conflict, changed."""
        statement = self._statements[tx.dialect.name]
        if tx.dialect.name == "postgresql":
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            return tx.exec_driver_sql(statement, columns).rowcount
        given = rows
        if self._asks_the_time:
            moment = now(tx)
            given = [(*row, moment) for row in rows]
        return tx.exec_driver_sql(statement, list(given)).rowcount


def _given(dialect: str, number: int, name: str) -> str:
    """What stands for a value of a row: a column of ``given``, or the so-manyeth parameter."""
    return f"given.{name}" if dialect == "postgresql" else f"?{number}"


def _now(dialect: str, number: int) -> str:
    if dialect == "postgresql":
        return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    return f"?{number}"


def _rows(dialect: str, table: Table, columns: Sequence[str], values: Mapping[str, str]) -> str:
    said = ", ".join(values.values())
    if dialect != "postgresql":
        return f"VALUES ({said})"
    arrays = ", ".join(f"%b::{_type(table, name)}[]" for name in columns)
    names = ", ".join(columns)
    return f"SELECT {said} FROM unnest({arrays}) AS given({names})"  # noqa: S608 - our own names


def _type(table: Table, column: str) -> str:
    return table.c[column].type.compile(_DIALECTS["postgresql"]).partition(" COLLATE")[0]
