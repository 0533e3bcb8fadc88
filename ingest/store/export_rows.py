"""Rows as an export reads them: in the order of ids, a page at a time, in bounded memory.

A page is a transaction of its own: nothing is held while files are written or uploaded.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Result,
    Select,
    Text,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
)

from ingest.events import TERMINAL, DeliveryState, EventState
from ingest.export.chunks import Chunk
from ingest.export.filters import Filter
from ingest.export.schema import FIELDS, Dataset, place_of
from ingest.store.database import Database
from ingest.store.delivery_rows import is_state
from ingest.store.distinct import distinct
from ingest.store.schema import GIVEN_UP, deliveries, events, payloads

#: Rows that are in memory together.
PAGE_ROWS = 1_000
#: A larger body is read by itself, so that a page takes at most 16 MB of them.
INLINE_BYTES = 16_384
#: Large bodies that are in memory together; one that is larger than this is alone.
LARGE_BYTES = 8_000_000

#: One value a column, in the order of ``FIELDS``.
ExportRow = Sequence[Any]

_BODY = place_of(Dataset.EVENTS, "body")
_ID: Mapping[Dataset, Column[Any]] = {
    Dataset.EVENTS: events.c.id,
    Dataset.DELIVERIES: deliveries.c.id,
}
_ELSEWHERE: Mapping[str, ColumnElement[Any]] = {
    "source": events.c.source,
    "event_type": events.c.type,
    "body": case((func.length(payloads.c.body) <= INLINE_BYTES, payloads.c.body)).label("body"),
}


def stored_sources(db: Database) -> set[str]:
    """Return the sources that have an event in the store."""
    with db.read() as tx:
        return distinct(tx, events.c.source)


def next_id(db: Database, dataset: Dataset, wanted: Filter, after: str, before: str) -> str | None:
    """Return the first id of the rows wanted between two ids, both excluded."""
    ids = _ids(dataset, wanted, after, before).limit(1)
    with db.read() as tx:
        return tx.execute(ids).scalar()


def stretch(
    db: Database, dataset: Dataset, wanted: Filter, after: str, before: str, limit: int
) -> tuple[str, int]:
    """Return the last of the first ``limit`` ids between two, both excluded, and their number."""
    ids = _ids(dataset, wanted, after, before).limit(limit).subquery()
    with db.read() as tx:
        last, count = tx.execute(select(func.max(ids.c.id, type_=Text), func.count())).one()
    return last, count


def pages(
    db: Database, dataset: Dataset, wanted: Filter, chunk: Chunk
) -> Iterator[Sequence[ExportRow]]:
    """Return a chunk's rows in parts, none of them empty, that take 24 MB or one body at most."""
    id_ = _ID[dataset]
    rows = _rows(dataset).where(*_conditions(dataset, wanted), id_ <= chunk.last_id)
    rows = rows.order_by(id_).limit(PAGE_ROWS)
    from_here = id_ >= chunk.first_id
    while True:
        with db.read() as tx:
            page: Sequence[ExportRow] = _fetched(tx.execute(rows.where(from_here)))
        if not page:
            return
        if dataset is Dataset.EVENTS:
            yield from _whole(db, page)
        else:
            yield page
        from_here = id_ > page[-1][0]


def _fetched(result: Result[Any]) -> Sequence[ExportRow]:
    """Take the driver's own rows: SQLAlchemy's would be a tenth of an export (measured)."""
    with cast("CursorResult[Any]", result) as found:
        rows: Sequence[ExportRow] = [] if found.cursor is None else found.cursor.fetchall()
    return rows


def _whole(db: Database, page: Sequence[ExportRow]) -> Iterator[list[ExportRow]]:
    """Add the large bodies, whose place is empty; hand on before there are too many of them."""
    whole: list[ExportRow] = []
    size = 0
    for row in page:
        if row[_BODY] is not None:
            whole.append(row)
            continue
        with db.read() as tx:
            body = _body(tx, row[0])
        if whole and size + len(body) > LARGE_BYTES:
            yield whole
            whole, size = [], 0
        whole.append((*row[:_BODY], body, *row[_BODY + 1 :]))
        size += len(body)
    if whole:
        yield whole


def _body(tx: Connection, event_id: str) -> bytes:
    body = select(payloads.c.body).where(payloads.c.event_id == event_id)
    return tx.execute(body).scalar() or b""  # retention may take it between page and body


def _rows(dataset: Dataset) -> Select[Any]:
    own = events if dataset is Dataset.EVENTS else deliveries
    columns = [_column(own.c, field.name) for field in FIELDS[dataset]]
    if dataset is Dataset.EVENTS:
        return select(*columns).select_from(events.join(payloads))
    return select(*columns).select_from(deliveries.join(events))


def _column(own: Any, name: str) -> ColumnElement[Any]:
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    column: ColumnElement[Any] = own[name] if name in own else payloads.c[name]
    return column


def _ids(dataset: Dataset, wanted: Filter, after: str, before: str) -> Select[Any]:
    id_ = _ID[dataset]
    ids = select(id_)
    if dataset is Dataset.DELIVERIES and (wanted.source is not None or wanted.types):
        ids = ids.select_from(deliveries.join(events))
    return ids.where(*_conditions(dataset, wanted), id_ > after, id_ < before).order_by(id_)


def _conditions(dataset: Dataset, wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.source is not None:
        found.append(events.c.source == wanted.source)
    if wanted.types:
        found.append(or_(*map(_covers, wanted.types)))
    if wanted.state is not None:
        found.append(_in_state(dataset, wanted.state))
    return found


def _covers(type_: str) -> ColumnElement[bool]:
    """Compare as routes do (ingest/patterns.py); ranges, because LIKE ignores case on SQLite."""
    if type_.endswith("*"):
        return _begins(type_[:-1])
    return or_(events.c.type == type_, _begins(f"{type_}."))


def _begins(prefix: str) -> ColumnElement[bool]:
    if not prefix:
        return events.c.type >= ""
    beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return and_(events.c.type >= prefix, events.c.type < beyond)


def _in_state(dataset: Dataset, state: str) -> ColumnElement[bool]:
    if dataset is Dataset.EVENTS:
        return events.c.state == literal_column(f"'{EventState(state)}'")
    wanted = DeliveryState(state)
    if wanted in TERMINAL - {DeliveryState.SUCCEEDED}:
        return and_(text(GIVEN_UP), is_state(wanted))
    return is_state(wanted)
