"""Rejected requests: kept within the bounds of their source, read, released, forgotten.

Nothing here touches a dedupe key before a request is released, by the same transaction that every
event is accepted by. The order of locks: a source's room before its rows, and rows that another
transaction holds are left to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Select, delete, select, update

from ingest.errors import RowRejected
from ingest.events import Accepted, Arrival
from ingest.header_pairs import headers_text, read_headers
from ingest.rejection import RejectedRequest, RejectedState
from ingest.store.accept import accept_in
from ingest.store.database import Database
from ingest.store.dialect import insert, now
from ingest.store.ids import first_id
from ingest.store.queries import whole_id
from ingest.store.rejected_schema import rejected, rejected_room
from ingest.store.schema import AnyRow

#: Rows that one look for the oldest takes, and looks in one transaction.
_OLDEST = 500
_LOOKS = 10


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A rejected request in a list. ``size``: bytes that it takes."""

    id: str
    source: str
    received_at: int
    expires_at: int
    method: str
    url: str
    content_type: str
    size: int
    reason: str
    detail: str
    trace_id: str
    state: RejectedState
    released_event_id: str | None
    released_at: int | None


@dataclass(frozen=True, slots=True)
class WholeRejected(RejectedRow):
    """One with everything that came; values of credentials are keyed digests."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    body_sha256: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rejected requests; None is any. ``since``: received then (ms) or later."""

    source: str | None = None
    reason: str | None = None
    state: RejectedState | None = None
    since: int | None = None


_LISTED = tuple(rejected.c[field.name] for field in fields(RejectedRow))
_WHOLE = tuple(rejected.c[field.name] for field in fields(WholeRejected))


def keep(db: Database, requests: Sequence[RejectedRequest]) -> None:
    """Keep requests; the oldest of a source make room where it has more than its ``total``.

    Raises StoreUnavailable and RowRejected; then none of them is kept.
    """
    with db.write() as tx:
        ordered = sorted(requests, key=attrgetter("source", "id"))
        for source, theirs in groupby(ordered, key=attrgetter("source")):
            own = list(theirs)
            used = _take_room(tx, source, sum(one.size for one in own))
            tx.execute(insert(tx, rejected), [_row(one) for one in own])
            _make_room(tx, source, used - own[-1].total)


def list_rejected(
    db: Database, wanted: Wanted, *, limit: int = 100, before_id: str | None = None
) -> list[RejectedRow]:
    """Return them without bodies, the newest first. ``before_id``: the last of the page before."""
    chosen = _chosen(select(*_LISTED), wanted).order_by(rejected.c.id.desc()).limit(limit)
    if before_id is not None:
        chosen = chosen.where(rejected.c.id < before_id)
    with db.read() as tx:
        return [RejectedRow(**_listed(row)) for row in tx.execute(chosen)]


def get_rejected(db: Database, id_: str) -> WholeRejected:
    """Return one by its id or a beginning that only it has. Raises NotFound."""
    with db.read() as tx:
        found = whole_id(tx, rejected.c.id, id_, "rejected request")
        return _whole(tx.execute(select(*_WHOLE).where(rejected.c.id == found)).one())


def next_kept(
    db: Database, wanted: Wanted, *, after_id: str = "", until_id: str, limit: int
) -> list[WholeRejected]:
    """Return those that are ``kept``, in the order of receipt, behind one id up to another."""
    chosen = _chosen(select(*_WHOLE), wanted).where(
        rejected.c.state == RejectedState.KEPT,
        rejected.c.id > after_id,
        rejected.c.id <= until_id,
    )
    with db.read() as tx:
        found = tx.execute(chosen.order_by(rejected.c.id).limit(limit)).all()
    return [_whole(row) for row in found]


def release(db: Database, rejected_id: str, arrival: Arrival) -> Accepted | None:
    """Make an event of a request that is verified now; None where it was released before.

    The event, its dedupe key and the state of the request are one transaction. A duplicate leaves
    the request ``released`` to the first event. Raises RowRejected and StoreUnavailable.
    """
    still = select(rejected.c.id).where(
        rejected.c.id == rejected_id, rejected.c.state == RejectedState.KEPT
    )
    with db.write() as tx:
        if tx.execute(still.with_for_update()).first() is None:
            return None
        (answer,) = accept_in(tx, [arrival])
        tx.execute(
            update(rejected)
            .where(rejected.c.id == rejected_id)
            .values(
                state=RejectedState.RELEASED,
                released_event_id=answer.event_id,
                released_at=now(tx),
            )
        )
        return answer


def forget_rejected(db: Database, limit: int) -> int:
    """Delete up to ``limit`` that were kept for as long as they should be."""
    with db.write() as tx:
        old = select(rejected.c.source, rejected.c.id).where(rejected.c.expires_at <= now(tx))
        found = tx.execute(old.order_by(rejected.c.expires_at).limit(limit)).all()
        gone = 0
        for source, rows in groupby(sorted(found), key=attrgetter("source")):
            _take_room(tx, source, 0)  # its lock comes first
            gone += _forget(tx, source, [row.id for row in rows])
        return gone


def _take_room(tx: Connection, source: str, size: int) -> int:
    """Count bytes in, holding the source's row; returns all that it has then."""
    added = insert(tx, rejected_room).values(source=source, bytes=size)
    counted = added.on_conflict_do_update(
        index_elements=["source"], set_={"bytes": rejected_room.c.bytes + size}
    )
    return int(tx.execute(counted.returning(rejected_room.c.bytes)).scalar_one())


def _make_room(tx: Connection, source: str, excess: int) -> None:
    oldest = select(rejected.c.id, rejected.c.size).where(rejected.c.source == source)
    for _ in range(_LOOKS):
        if excess <= 0:
            return
        going = []
        for row in tx.execute(oldest.order_by(rejected.c.id).limit(_OLDEST)):
            if excess <= 0:
                break
            going.append(row.id)
            excess -= row.size
        _forget(tx, source, going)


def _forget(tx: Connection, source: str, ids: Sequence[str]) -> int:
    free = select(rejected.c.id).where(rejected.c.id.in_(ids)).with_for_update(skip_locked=True)
    gone = tx.execute(
        delete(rejected).where(rejected.c.id.in_(free)).returning(rejected.c.size)
    ).all()
    _take_room(tx, source, -sum(row.size for row in gone))
    return len(gone)


def _row(one: RejectedRequest) -> dict[str, object]:
    row: dict[str, object] = one._asdict()
    del row["total"]
    texts = {**row, "headers": headers_text(one.headers)}
    _refuse_nul(texts.values())
    return {**texts, "size": one.size, "state": RejectedState.KEPT}


def _refuse_nul(values: Iterable[object]) -> None:
    if any(isinstance(value, str) and "\0" in value for value in values):
        raise RowRejected("a text contains a NUL character")


def _chosen(rows: Select[*tuple[object, ...]], wanted: Wanted) -> Select[*tuple[object, ...]]:
    if wanted.source is not None:
        rows = rows.where(rejected.c.source == wanted.source)
    if wanted.reason is not None:
        rows = rows.where(rejected.c.reason == wanted.reason)
    if wanted.state is not None:
        rows = rows.where(rejected.c.state == wanted.state)
    if wanted.since is not None:
        rows = rows.where(rejected.c.id >= first_id(wanted.since))
    return rows


def _listed(row: AnyRow) -> dict[str, Any]:
    return row._asdict() | {"state": RejectedState(row.state)}


def _whole(row: AnyRow) -> WholeRejected:
    return WholeRejected(**{**_listed(row), "headers": read_headers(row.headers)})
