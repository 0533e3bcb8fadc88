"""An event as it is read back: the columns of two tables, and the ``Event`` they make."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, select

from ingest.events import Event
from ingest.header_pairs import read_headers
from ingest.store.given import among_given, found_by, given_ids
from ingest.store.schema import AnyRow, events, payloads

#: Bodies that are in memory together for one batch (measured without: 100 of 25 MB, 2.5 GB).
BATCH_BYTES = 8_000_000

#: What an ``Event`` needs of its own table.
HEAD_COLUMNS = (
    events.c.id,
    events.c.source,
    events.c.type,
    events.c.provider_event_id,
    events.c.received_at,
    events.c.trace_id,
    events.c.generation,
    events.c.type_signed,
)

#: Everything an ``Event`` needs, body included.
EVENT_COLUMNS = (
    *HEAD_COLUMNS,
    payloads.c.headers,
    payloads.c.query,
    payloads.c.content_type,
    payloads.c.body,
)

_SIZES = select(payloads.c.event_id, func.length(payloads.c.body).label("size")).where(
    among_given(payloads.c.event_id)
)
_EVENTS = (
    select(*EVENT_COLUMNS)
    .join(payloads)
    .where(among_given(events.c.id), found_by(payloads.c.event_id))
)


def fitting(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Choose the first of the events whose bodies fit into one batch, in order; one always does.

    Neither database reads a body to tell its length.
    """
    sizes = {row.event_id: int(row.size) for row in tx.execute(_SIZES, given_ids(ids)).all()}
    chosen: list[str] = []
    total = 0
    for id_ in dict.fromkeys(ids):
        total += sizes.get(id_, 0)
        if chosen and total > BATCH_BYTES:
            break
        if id_ in sizes:
            chosen.append(id_)
    return chosen


def event_from(row: AnyRow, generation: int | None = None, handler: str = "") -> Event:
    """Build the event of a row; ``generation`` and ``handler`` are those of a delivery of it."""
    return Event(
        id=row.id,
        source=row.source,
        type=row.type,
        provider_event_id=row.provider_event_id,
        received_at=row.received_at,
        headers=read_headers(row.headers),
        query=row.query,
        content_type=row.content_type,
        body=row.body,
        trace_id=row.trace_id,
        generation=row.generation if generation is None else generation,
        handler=handler,
        type_signed=row.type_signed,
    )


def rows_by_id(tx: Connection, ids: Iterable[str]) -> dict[str, AnyRow]:
    """Read whole events, each once, by id."""
    return {row.id: row for row in tx.execute(_EVENTS, given_ids(ids)).all()}
