"""The rows that a statement is given: one JSON parameter, however many they are.

A bound value a column and row is what a batch costs most: SQLAlchemy binds it, the driver converts
it, and SQLite's lets go of the interpreter for each row that it runs. One text is bound once, and
both databases unfold it. Measured for 100 rows of 12 columns on PostgreSQL, client included: 5 us
a row, against 14 by one array a column, whose elements psycopg converts one by one.

Not for bytes, which JSON has not.
"""

from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    Subquery,
    Text,
    bindparam,
    cast,
    literal_column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

#: The parameter's name in every statement.
ROWS = "given_rows"


def given(**columns: TypeEngine[Any]) -> Subquery:
    """Begin a statement's FROM with the rows that its parameter brings, as a table "given".

    ``given(id=Text(), count=Integer())`` is, on SQLite and on PostgreSQL,

        (SELECT CAST(json_extract(value, '$[0]') AS TEXT) AS id,
                CAST(json_extract(value, '$[1]') AS INTEGER) AS count
           FROM json_each(:given_rows)) AS given

        (SELECT CAST((value ->> 0) AS TEXT) AS id, CAST((value ->> 1) AS INTEGER) AS count
           FROM jsonb_array_elements(CAST(:given_rows AS jsonb))) AS given

    with ``:given_rows`` = ``[["an id", 7], ["another", 8]]``. Where it is joined by id, ask for
    ``found_by`` that id, too.
    """
    unfolded = _unfolded(bindparam(ROWS, type_=Text)).table_valued("value")
    fields = [
        cast(_field(unfolded.c.value, literal_column(str(number))), type_).label(name)
        for number, (name, type_) in enumerate(columns.items())
    ]
    return select(*fields).subquery("given")


def among_given(column: Column[str]) -> ColumnElement[bool]:
    """Whether a column is the first field of a row that is given.

    ``among_given(events.c.id)`` is, on SQLite and on PostgreSQL,

        events.id IN (SELECT CAST(json_extract(value, '$[0]') AS TEXT)
                        FROM json_each(:given_rows))

        events.id = ANY (ARRAY(SELECT value ->> 0
                                 FROM jsonb_array_elements(CAST(:given_rows AS jsonb))))

    PostgreSQL would not take its index for the first form; SQLite has no arrays.
    """
    return _among(column, bindparam(ROWS, type_=Text))


def found_by(column: Column[str]) -> ColumnElement[bool]:
    """Let PostgreSQL read a joined table by this column's index: always true where it is joined.

    It cannot know how many rows a JSON text has, and would rather read a table of thousands whole;
    its prepared plan then stays while the table grows (measured: 440 us a row instead of 60). So
    it gets the condition of ``among_given`` beside the join, and SQLite gets ``true``: that one
    takes its index anyway, and would read all given rows for each row that it joins.
    """
    return _found_by(column, bindparam(ROWS, type_=Text))


def given_rows(rows: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    """Spell rows, each a tuple in the order of ``given``'s columns, as a statement's parameter."""
    return {ROWS: orjson.dumps(list(rows)).decode()}


def given_ids(ids: Iterable[str]) -> dict[str, str]:
    """Spell rows of one column."""
    return given_rows((id_,) for id_ in ids)


class _unfolded(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function that it is
    """A JSON array as rows of one column, ``value``.

    SQLite: ``json_each(:given_rows)``.
    PostgreSQL: ``jsonb_array_elements(CAST(:given_rows AS jsonb))``.
    """

    inherit_cache = True


class _field(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function that it is
    """One element of a row, which ``given`` casts to its column's type.

    SQLite: ``json_extract(value, '$[1]')``; it has the other's operator only since 3.38.
    PostgreSQL: ``(value ->> 1)``.
    """

    inherit_cache = True


class _among(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function that it is
    """The condition of ``among_given``, where each database's SQL is shown."""

    inherit_cache = True  # and no type: SQLAlchemy would ask SQLite for ``= 1``, and hide the index


class _found_by(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function that it is
    """The condition of ``found_by``.

    SQLite: ``true``.
    PostgreSQL: ``payloads.event_id = ANY (ARRAY(SELECT ...))``, as ``_among``.
    """

    inherit_cache = True


@compiles(_unfolded, "sqlite")
def _json_each(element: _unfolded, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_unfolded, "postgresql")
def _jsonb_array_elements(element: _unfolded, compiler: SQLCompiler, **options: Any) -> str:
    return f"jsonb_array_elements(CAST({compiler.process(element.clauses, **options)} AS jsonb))"


@compiles(_field, "sqlite")
def _json_extract(element: _field, compiler: SQLCompiler, **options: Any) -> str:
    value, place = (compiler.process(part, **options) for part in element.clauses)
    return f"json_extract({value}, '$[{place}]')"


@compiles(_field, "postgresql")
def _arrow(element: _field, compiler: SQLCompiler, **options: Any) -> str:
    value, place = (compiler.process(part, **options) for part in element.clauses)
    return f"({value} ->> {place})"


@compiles(_among, "sqlite")
def _in(element: _among, compiler: SQLCompiler, **options: Any) -> str:
    column, rows = (compiler.process(part, **options) for part in element.clauses)
    ids = f"SELECT CAST(json_extract(value, '$[0]') AS TEXT) FROM json_each({rows})"  # noqa: S608 - a bound parameter's place
    return f"{column} IN ({ids})"


@compiles(_among, "postgresql")
@compiles(_found_by, "postgresql")
def _any(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> str:
    column, rows = (compiler.process(part, **options) for part in element.clauses)
    ids = f"SELECT value ->> 0 FROM jsonb_array_elements(CAST({rows} AS jsonb))"  # noqa: S608 - likewise
    return f"{column} = ANY (ARRAY({ids}))"


@compiles(_found_by, "sqlite")
def _true(_element: _found_by, _compiler: SQLCompiler, **_options: Any) -> str:
    return "true"
