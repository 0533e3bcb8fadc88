"""The group commit: many arrivals, one transaction, one fsync.

The order of locks is the same in every process, so batches never deadlock: dedupe keys sorted,
then events sorted by id. A data error reruns the batch with a savepoint a row, so that one bad
row fails alone (measured: on PostgreSQL one NUL fails everyone's batch, design.md).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, select, update

from ingest.errors import RowRejected
from ingest.events import Accepted, Arrival, EventState
from ingest.failpoints import reached
from ingest.store.bulk import BulkInsert
from ingest.store.database import Database
from ingest.store.database_errors import ConnectionLost, translate
from ingest.store.schema import dedupe, duplicates, events, payloads

#: How long the publisher has before the scheduler publishes a new row itself.
PUBLISH_GRACE_MS = 5_000

T = TypeVar("T")


_PAYLOAD = ("headers", "query", "content_type", "body", "body_sha256")
_INSERT_KEYS = BulkInsert(
    dedupe,
    ("key", "event_id", "body_sha256", "seen_at", "expires_at"),
    from_now=("expires_at",),  # by the database's clock, which judges it: a receiver's may be off
    on_conflict="ON CONFLICT (key) DO UPDATE SET event_id = excluded.event_id,"
    " body_sha256 = excluded.body_sha256, seen_at = excluded.seen_at,"
    " expires_at = excluded.expires_at WHERE dedupe.expires_at <= {now}",
)
_INSERT_EVENTS = BulkInsert(
    events,
    (
        *("id", "source", "type", "provider_event_id", "received_at", "trace_id", "secret_name"),
        "type_signed",
    ),
    fixed={
        "state": f"'{EventState.STORED}'",
        "stored_at": "{now}",
        "wake_at": f"{{now}} + {PUBLISH_GRACE_MS}",
    },
    on_conflict="ON CONFLICT (id) DO NOTHING",
)
_INSERT_PAYLOADS = BulkInsert(
    payloads, ("event_id", *_PAYLOAD), on_conflict="ON CONFLICT (event_id) DO NOTHING"
)
_INSERT_DUPLICATES = BulkInsert(
    duplicates,
    ("id", "event_id", "received_at", "trace_id", "secret_name", *_PAYLOAD),
    on_conflict="ON CONFLICT (id) DO NOTHING",
)


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
    owners = _win_keys(tx, arrivals)
    answers = [_answer(arrival, owners) for arrival in arrivals]
    _insert_events(
        tx, [one for one, said in zip(arrivals, answers, strict=True) if not said.duplicate]
    )
    _note_duplicates(
        tx, [pair for pair in zip(arrivals, answers, strict=True) if pair[1].duplicate]
    )
    return answers


def _committed(db: Database, work: Callable[[Connection], T]) -> T:
    try:
        return _in_one_transaction(db, work)
    except ConnectionLost:
        return _in_one_transaction(db, work)


def _in_one_transaction(db: Database, work: Callable[[Connection], T]) -> T:
    with db.write() as tx:
        done = work(tx)
        reached("writer.before_commit")
        return done


def _accept_alone(tx: Connection, arrival: Arrival) -> Accepted | RowRejected:
    try:
        with translate(tx.dialect.name), tx.begin_nested():
            return accept_in(tx, [arrival])[0]
    except RowRejected as rejection:
        return rejection


def _win_keys(tx: Connection, arrivals: Iterable[Arrival]) -> dict[bytes, First]:
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
    keys = sorted(wanted)
    if _INSERT_KEYS(tx, [_key_row(wanted[key]) for key in keys]) == len(keys):
        return {key: First(one.event_id, one.body_sha256) for key, one in wanted.items()}
    columns = (dedupe.c.key, dedupe.c.event_id, dedupe.c.body_sha256)
    found = tx.execute(select(*columns).where(dedupe.c.key.in_(keys)))
    return {row.key: First(row.event_id, row.body_sha256) for row in found}


def _key_row(one: Arrival) -> tuple[Any, ...]:
    return (one.dedupe_key, one.event_id, one.body_sha256, one.received_at, one.dedupe_for_ms)


def _answer(arrival: Arrival, owners: dict[bytes, First]) -> Accepted:
    if arrival.dedupe_key is None:
        return Accepted(arrival.event_id)
    first = owners[arrival.dedupe_key]
    if first.event_id == arrival.event_id:
        return Accepted(arrival.event_id)
    conflicting = first.body_sha256 != arrival.body_sha256
    return Accepted(first.event_id, duplicate=True, conflicting=conflicting)


def _insert_events(tx: Connection, arrivals: list[Arrival]) -> None:
    if not arrivals:
        return
    ordered = sorted(arrivals)  # by event id, which comes first
    _INSERT_EVENTS(tx, [_event_row(arrival) for arrival in ordered])
    _INSERT_PAYLOADS(tx, [(arrival.event_id, *_payload_row(arrival)) for arrival in ordered])


def _event_row(arrival: Arrival) -> tuple[Any, ...]:
    _refuse_nul(f"{arrival.source}{arrival.type}{arrival.provider_event_id}{arrival.secret_name}")
    return (
        arrival.event_id,
        arrival.source,
        arrival.type,
        arrival.provider_event_id,
        arrival.received_at,
        arrival.trace_id,
        arrival.secret_name,
        arrival.type_signed,
    )


def _payload_row(arrival: Arrival) -> tuple[Any, ...]:
    _refuse_nul(f"{arrival.headers}{arrival.query}{arrival.content_type}")
    return (
        arrival.headers,
        arrival.query,
        arrival.content_type,
        arrival.body,
        arrival.body_sha256,
    )


def _refuse_nul(texts: str) -> None:
    """PostgreSQL cannot hold a NUL in text; SQLite can, and then its functions stop at it."""
    if "\0" in texts:
        raise RowRejected("a text contains a NUL character")


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
        _INSERT_DUPLICATES(tx, [_duplicate_row(*pair) for pair in conflicting])


def _duplicate_row(arrival: Arrival, answer: Accepted) -> tuple[Any, ...]:
    return (
        arrival.event_id,
        answer.event_id,
        arrival.received_at,
        arrival.trace_id,
        arrival.secret_name,
        *_payload_row(arrival),
    )
