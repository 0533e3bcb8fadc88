"""Many rows by one statement, said to the driver: SQLAlchemy's own cost would be most of it.

Measured for a batch of 32 events of 2 KB, client CPU included (ops/bench/README.md): 160 us an
event through SQLAlchemy's insert-many, 40 through this. The statement's text never changes, so both
drivers prepare it once:

* SQLite: a row of placeholders, run for each row inside the driver. The time is one of them: a
  function of ours would be called, and wait for the interpreter, once a row.
* PostgreSQL: one array a column, binary, unnested; COPY has no ON CONFLICT.
"""

from collections.abc import Mapping, Sequence
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
    database's clock in milliseconds.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        on_conflict: str,
        fixed: Mapping[str, str] | None = None,
    ) -> None:
        self._asks_the_time = any("{now}" in sql for sql in (on_conflict, *(fixed or {}).values()))
        self._statements = {
            name: _statement(name, table, columns, fixed or {}, on_conflict) for name in _DIALECTS
        }

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


def _statement(
    dialect: str, table: Table, columns: Sequence[str], fixed: Mapping[str, str], on_conflict: str
) -> str:
    if dialect == "postgresql":
        arrays = ", ".join(f"%b::{_type(table, name)}[]" for name in columns)
        values = ", ".join(["given.*", *fixed.values()])
        given = f"SELECT {values} FROM unnest({arrays}) AS given"  # noqa: S608 - our own names
        moment = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    else:
        places = [f"?{number}" for number in range(1, len(columns) + 1)]
        given = f"VALUES ({', '.join([*places, *fixed.values()])})"
        moment = f"?{len(columns) + 1}"
    names = ", ".join([*columns, *fixed])
    return f"INSERT INTO {table.name} ({names}) {given} {on_conflict}".replace("{now}", moment)


def _type(table: Table, column: str) -> str:
    return table.c[column].type.compile(_DIALECTS["postgresql"]).partition(" COLLATE")[0]
