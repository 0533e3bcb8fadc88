"""Rows as an export reads them: in the order of ids, a page at a time, in bounded memory.

A page is a transaction of its own: nothing is held while files are written or uploaded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Select,
    Text,
    bindparam,
    case,
    func,
    select,
)

from ingest.export.chunks import Chunk
from ingest.export.schema import FIELDS, place_of
from ingest.filters import Dataset, Filter
from ingest.store.database import Database
from ingest.store.dialect import fetch_binary
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


def first_unended(db: Database, wanted: Filter, after: str, before: str) -> str | None:
    """Return the first id of a delivery that has not ended, between two, both excluded.

    ``wanted``: its state does not matter, as it is yet to be.
    """
    ids = matching_ids(Dataset.DELIVERIES, replace(wanted, state=None), after, before)
    # By its end, not its state: the indexes of what waits are in another order.
    with db.read() as tx:
        return tx.execute(ids.where(deliveries.c.finished_at.is_(None)).limit(1)).scalar()


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
    first, following = _pages(dataset, wanted)
    page = _fetched(db, first, chunk.first_id, chunk.last_id)
    while page:
        if dataset is Dataset.EVENTS:
            yield from _whole(db, page, on_large)
        else:
            yield page
        page = _fetched(db, following, page[-1][0], chunk.last_id)


def _pages(dataset: Dataset, wanted: Filter) -> tuple[Select[Any], Select[Any]]:
    """Select the rows ``here``, or after it, up to ``last``: made once, not for each page."""
    own = _ID[dataset]
    rows = _rows(dataset).where(*conditions(dataset, wanted))
    rows = rows.order_by(own).limit(PAGE_ROWS)
    here, last = bindparam("here", type_=Text), bindparam("last", type_=Text)
    # An event's parts have the same key. PostgreSQL concludes nothing from a range of one of them,
    # and would look up each payload by itself: ten times the work of reading both in their order.
    keys = [own, payloads.c.event_id] if dataset is Dataset.EVENTS else [own]
    until = [key <= last for key in keys]
    first, following = [key >= here for key in keys], [key > here for key in keys]
    return rows.where(*first, *until), rows.where(*following, *until)


def _fetched(db: Database, rows: Select[Any], here: str, last: str) -> Sequence[ExportRow]:
    """Take the driver's own rows: SQLAlchemy's would be a tenth of an export (measured)."""
    with db.read() as tx:
        fetch_binary(tx)
        result = tx.execute(rows, {"here": here, "last": last})
        with cast("CursorResult[Any]", result) as found:
            return [] if found.cursor is None else found.cursor.fetchall()


def _whole(
    db: Database, page: Sequence[ExportRow], on_large: Callable[[], None]
) -> Iterator[Sequence[ExportRow]]:
    """Add the large bodies, whose place is empty; hand on before there are too many of them."""
    if None not in map(itemgetter(_BODY), page):
        yield page
        return
    whole: list[ExportRow] = []
    size = 0
    for row in page:
        if row[_BODY] is not None:
            whole.append(row)
            continue
        on_large()
        with db.read() as tx:
            body = _body(tx, row[0])
        if body is None:
            continue  # retention has taken it since the page was read, and its row
        whole.append((*row[:_BODY], body, *row[_BODY + 1 :]))
        size += len(body)
        del body  # or it lives on while the next one is read
        if size >= LARGE_BYTES:
            yield whole
            whole, size = [], 0
    if whole:
        yield whole


def _body(tx: Connection, event_id: str) -> bytes | None:
    body: bytes | None = tx.execute(
        select(payloads.c.body).where(payloads.c.event_id == event_id)
    ).scalar()
    return body


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
