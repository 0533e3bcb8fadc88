"""The group commit: many arrivals, one transaction, one fsync.

The order of locks is the same in every process, so batches never deadlock: dedupe keys sorted,
then events sorted by id. A data error reruns the batch with a savepoint a row, so that one bad
row fails alone (measured: on PostgreSQL one NUL fails everyone's batch, design.md).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, select, update

from ingest.errors import RowRejected
from ingest.events import Accepted, Arrival, EventState
from ingest.store.database import Database
from ingest.store.database_errors import ConnectionLost, translate
from ingest.store.dialect import insert, now
from ingest.store.event_rows import headers_text
from ingest.store.schema import dedupe, duplicates, events, payloads

#: How long the publisher has before the scheduler publishes a new row itself.
PUBLISH_GRACE_MS = 5_000

T = TypeVar("T")


class First(NamedTuple):
    """Who owns a dedupe key."""

    event_id: str
    body_sha256: bytes


def accept(db: Database, arrivals: Sequence[Arrival]) -> list[Accepted | RowRejected]:
    """Commit arrivals and say of each, in order, what became of it.

    The same arrivals may be given again where the outcome of a commit is unknown: an event keeps
    its own key and is stored once. A connection that breaks is tried once more for that reason.
    Raises StoreUnavailable; then none of the arrivals may be acknowledged.
    """
    try:
        return list(_committed(db, lambda tx: accept_in(tx, arrivals)))
    except RowRejected:
        return _committed(db, lambda tx: [_accept_alone(tx, arrival) for arrival in arrivals])


def accept_in(tx: Connection, arrivals: Sequence[Arrival]) -> list[Accepted]:
    """Do the work of ``accept`` inside an open transaction. Raises on the first bad row."""
    moment = now(tx)
    owners = _win_keys(tx, arrivals, moment)
    answers = [_answer(arrival, owners) for arrival in arrivals]
    pairs = list(zip(arrivals, answers, strict=True))
    _insert_events(tx, [arrival for arrival, answer in pairs if not answer.duplicate], moment)
    _note_duplicates(tx, [pair for pair in pairs if pair[1].duplicate])
    return answers


def _committed(db: Database, work: Callable[[Connection], T]) -> T:
    try:
        with db.write() as tx:
            return work(tx)
    except ConnectionLost:
        with db.write() as tx:
            return work(tx)


def _accept_alone(tx: Connection, arrival: Arrival) -> Accepted | RowRejected:
    try:
        with translate(tx.dialect.name), tx.begin_nested():
            return accept_in(tx, [arrival])[0]
    except RowRejected as rejection:
        return rejection


def _win_keys(tx: Connection, arrivals: Iterable[Arrival], moment: int) -> dict[bytes, First]:
    """Insert each key once, for its first arrival; return the owners of all keys.

    An expired key is taken over. ON CONFLICT locks the row of a key that is not won, so it cannot
    be pruned before it is read.
    """
    wanted: dict[bytes, Arrival] = {}
    for arrival in arrivals:
        if arrival.dedupe_key is not None:
            wanted.setdefault(arrival.dedupe_key, arrival)
    if not wanted:
        return {}
    statement = insert(tx, dedupe)
    statement = statement.on_conflict_do_update(
        index_elements=[dedupe.c.key],
        set_={
            name: statement.excluded[name]
            for name in ("event_id", "body_sha256", "seen_at", "expires_at")
        },
        where=dedupe.c.expires_at <= moment,
    )
    rows = [_key_row(key, wanted[key]) for key in sorted(wanted)]
    won = set(tx.execute(statement.returning(dedupe.c.key), rows).scalars())
    owners = {key: First(wanted[key].event_id, wanted[key].body_sha256) for key in won}
    if lost := sorted(wanted.keys() - won):
        columns = (dedupe.c.key, dedupe.c.event_id, dedupe.c.body_sha256)
        found = tx.execute(select(*columns).where(dedupe.c.key.in_(lost)))
        owners |= {row.key: First(row.event_id, row.body_sha256) for row in found}
    return owners


def _key_row(key: bytes, arrival: Arrival) -> dict[str, Any]:
    return {
        "key": key,
        "event_id": arrival.event_id,
        "body_sha256": arrival.body_sha256,
        "seen_at": arrival.received_at,
        "expires_at": arrival.dedupe_expires_at,
    }


def _answer(arrival: Arrival, owners: dict[bytes, First]) -> Accepted:
    if arrival.dedupe_key is None:
        return Accepted(arrival.event_id)
    first = owners[arrival.dedupe_key]
    if first.event_id == arrival.event_id:
        return Accepted(arrival.event_id)
    conflicting = first.body_sha256 != arrival.body_sha256
    return Accepted(first.event_id, duplicate=True, conflicting=conflicting)


def _insert_events(tx: Connection, arrivals: list[Arrival], moment: int) -> None:
    if not arrivals:
        return
    ordered = sorted(arrivals, key=lambda arrival: arrival.event_id)
    # RETURNING makes SQLAlchemy send one statement of many rows instead of one a row.
    event = insert(tx, events).on_conflict_do_nothing(index_elements=[events.c.id])
    tx.execute(event.returning(events.c.id), [_event_row(a, moment) for a in ordered])
    payload = insert(tx, payloads).on_conflict_do_nothing(index_elements=[payloads.c.event_id])
    rows = [{"event_id": a.event_id} | _payload_row(a) for a in ordered]
    tx.execute(payload.returning(payloads.c.event_id), rows)


def _event_row(arrival: Arrival, moment: int) -> dict[str, Any]:
    row = {
        "id": arrival.event_id,
        "source": arrival.source,
        "type": arrival.type,
        "provider_event_id": arrival.provider_event_id,
        "trace_id": arrival.trace_id,
        "secret_name": arrival.secret_name,
    }
    _refuse_nul(row)
    return row | {
        "state": EventState.STORED,
        "received_at": arrival.received_at,
        "stored_at": moment,
        "wake_at": moment + PUBLISH_GRACE_MS,
    }


def _payload_row(arrival: Arrival) -> dict[str, Any]:
    texts = {
        "headers": headers_text(arrival.headers),
        "query": arrival.query,
        "content_type": arrival.content_type,
    }
    _refuse_nul(texts)
    return texts | {"body": arrival.body, "body_sha256": arrival.body_sha256}


def _refuse_nul(texts: Mapping[str, str | None]) -> None:
    """PostgreSQL cannot hold a NUL in text; SQLite can, and then its functions stop at it."""
    for name, text in texts.items():
        if text and "\0" in text:
            raise RowRejected(f"{name} contains a NUL character")


def _note_duplicates(tx: Connection, pairs: list[tuple[Arrival, Accepted]]) -> None:
    """Count repetitions on their first event, and keep those whose body differs."""
    if not pairs:
        return
    seen = Counter(answer.event_id for _, answer in pairs)
    conflicting = [(arrival, answer) for arrival, answer in pairs if answer.conflicting]
    conflicts = Counter(answer.event_id for _, answer in conflicting)
    tx.execute(
        update(events)
        .where(events.c.id == bindparam("first_id"))
        .values(
            duplicates=events.c.duplicates + bindparam("seen"),
            conflicts=events.c.conflicts + bindparam("differing"),
        ),
        [{"first_id": id_, "seen": seen[id_], "differing": conflicts[id_]} for id_ in sorted(seen)],
    )
    if conflicting:
        statement = insert(tx, duplicates).on_conflict_do_nothing(index_elements=[duplicates.c.id])
        tx.execute(statement, [_duplicate_row(*pair) for pair in conflicting])


def _duplicate_row(arrival: Arrival, answer: Accepted) -> dict[str, Any]:
    return {
        "id": arrival.event_id,
        "event_id": answer.event_id,
        "received_at": arrival.received_at,
        "trace_id": arrival.trace_id,
        "secret_name": arrival.secret_name,
    } | _payload_row(arrival)
