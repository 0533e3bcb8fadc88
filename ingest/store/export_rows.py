"""Rows as an export reads them: in the order of ids, a page at a time, in bounded memory.

A page is a transaction of its own: nothing is held while files are written or uploaded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Result,
    Select,
    Text,
    case,
    func,
    select,
)

from ingest.export.chunks import Chunk
from ingest.export.schema import FIELDS, place_of
from ingest.filters import Dataset, Filter
from ingest.store.database import Database
from ingest.store.filtering import conditions, matching_ids
from ingest.store.schema import deliveries, events, payloads

#: Rows that are in memory together.
PAGE_ROWS = 1_000
#: A larger body is read by itself, so that a page takes at most 16 MB of them.
INLINE_BYTES = 16_384
#: Large bodies are handed on when there are so many bytes of them.
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


def next_id(db: Database, dataset: Dataset, wanted: Filter, after: str, before: str) -> str | None:
    """Return the first id of the rows wanted between two ids, both excluded."""
    ids = matching_ids(dataset, wanted, after, before).limit(1)
    with db.read() as tx:
        return tx.execute(ids).scalar()


def stretch(
    db: Database, dataset: Dataset, wanted: Filter, after: str, before: str, limit: int
) -> tuple[str, int]:
    """Return the last of the first ``limit`` ids between two, both excluded, and their number."""
    ids = matching_ids(dataset, wanted, after, before).limit(limit).subquery()
    with db.read() as tx:
        last, count = tx.execute(select(func.max(ids.c.id, type_=Text), func.count())).one()
    return last, count


def pages(
    db: Database,
    dataset: Dataset,
    wanted: Filter,
    chunk: Chunk,
    on_large: Callable[[], None] = lambda: None,
) -> Iterator[Sequence[ExportRow]]:
    """Return a chunk's rows in parts, none of them empty, that take 24 MB and one body at most.

    ``on_large`` is called before a body that is larger than ``INLINE_BYTES`` is read.
    """
    id_ = _ID[dataset]
    rows = _rows(dataset).where(*conditions(dataset, wanted), id_ <= chunk.last_id)
    rows = rows.order_by(id_).limit(PAGE_ROWS)
    from_here = id_ >= chunk.first_id
    while True:
        with db.read() as tx:
            page: Sequence[ExportRow] = _fetched(tx.execute(rows.where(from_here)))
        if not page:
            return
        if dataset is Dataset.EVENTS:
            yield from _whole(db, page, on_large)
        else:
            yield page
        from_here = id_ > page[-1][0]


def _fetched(result: Result[Any]) -> Sequence[ExportRow]:
    """Take the driver's own rows: SQLAlchemy's would be a tenth of an export (measured)."""
    with cast("CursorResult[Any]", result) as found:
        rows: Sequence[ExportRow] = [] if found.cursor is None else found.cursor.fetchall()
    return rows


def _whole(
    db: Database, page: Sequence[ExportRow], on_large: Callable[[], None]
) -> Iterator[list[ExportRow]]:
    """Add the large bodies, whose place is empty; hand on before there are too many of them."""
    whole: list[ExportRow] = []
    size = 0
    for row in page:
        if row[_BODY] is not None:
            whole.append(row)
            continue
        on_large()
        with db.read() as tx:
            body = _body(tx, row[0])
        whole.append((*row[:_BODY], body, *row[_BODY + 1 :]))
        size += len(body)
        del body  # or it lives on while the next one is read
        if size >= LARGE_BYTES:
            yield whole
            whole, size = [], 0
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
