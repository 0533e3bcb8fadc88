"""Forgetting: what is older than its retention, in small transactions that delay nobody."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from ingest.events import EventState
from ingest.store.database import Database
from ingest.store.delivery_rows import RUNNING, WAITING
from ingest.store.dialect import now
from ingest.store.distinct import distinct
from ingest.store.ids import first_id
from ingest.store.schema import attempts, dedupe, deliveries, duplicates, events, payloads

#: Events a transaction: short enough that no receiver waits for its turn.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were forgotten."""

    events: int = 0
    duplicates: int = 0
    dedupe_keys: int = 0


def prune(db: Database, retention: Mapping[str, int], default_ms: int, limit: int) -> Pruned:
    """Delete up to ``limit`` events, and as many expired dedupe keys; ``limit`` events: ask again.

    ``retention``: milliseconds to keep, by source; ``default_ms`` for the others. An event that
    waits for its dispatch, or has a delivery that has not ended, stays with all that belongs to it.
    """
    with db.read() as tx:
        ids = _old_events(tx, retention, default_ms, limit)
    forgotten = 0
    for start in range(0, len(ids), BATCH):
        with db.write() as tx:
            forgotten += _forget(tx, ids[start : start + BATCH])
    return Pruned(
        events=forgotten,
        duplicates=_forget_strays(db, default_ms, limit),
        dedupe_keys=_forget_keys(db, limit),
    )


def _old_events(
    tx: Connection, retention: Mapping[str, int], default_ms: int, limit: int
) -> list[str]:
    moment = now(tx)
    ids: list[str] = []
    for source in sorted(distinct(tx, events.c.source)):
        before = moment - retention.get(source, default_ms)
        wanted = (
            select(events.c.id)
            .where(events.c.source == source, events.c.id < first_id(before), _done())
            .order_by(events.c.id)
            .limit(limit - len(ids))
        )
        ids += tx.execute(wanted).scalars()
    return ids


def _done() -> ColumnElement[bool]:
    """Whether nothing is left to do for an event."""
    live = select(deliveries.c.id).where(
        deliveries.c.event_id == events.c.id, or_(WAITING, RUNNING)
    )
    return and_(events.c.state != EventState.STORED, ~live.exists())


def _forget(tx: Connection, ids: list[str]) -> int:
    """Delete events and all that belongs to them, unless one was replayed meanwhile."""
    wanted = select(events.c.id).where(events.c.id.in_(ids), _done()).order_by(events.c.id)
    locked = list(tx.execute(wanted.with_for_update(skip_locked=True, of=events)).scalars())
    theirs = select(deliveries.c.id).where(deliveries.c.event_id.in_(locked))
    tx.execute(delete(attempts).where(attempts.c.delivery_id.in_(theirs)))
    tx.execute(delete(deliveries).where(deliveries.c.event_id.in_(locked)))
    tx.execute(delete(duplicates).where(duplicates.c.event_id.in_(locked)))
    tx.execute(delete(payloads).where(payloads.c.event_id.in_(locked)))
    tx.execute(delete(events).where(events.c.id.in_(locked)))
    return len(locked)


def _forget_strays(db: Database, default_ms: int, limit: int) -> int:
    """Delete old requests whose event was forgotten before they came."""
    kept = select(events.c.id).where(events.c.id == duplicates.c.event_id)
    with db.write() as tx:
        stray = and_(duplicates.c.received_at < now(tx) - default_ms, ~kept.exists())
        oldest = select(duplicates.c.id).where(stray).order_by(duplicates.c.received_at)
        chosen = oldest.limit(limit).with_for_update(skip_locked=True, of=duplicates)
        gone = delete(duplicates).where(duplicates.c.id.in_(chosen)).returning(duplicates.c.id)
        return len(tx.execute(gone).all())


def _forget_keys(db: Database, limit: int) -> int:
    """Delete expired dedupe keys, but none that an arrival is just taking over."""
    with db.write() as tx:
        oldest = select(dedupe.c.key).where(dedupe.c.expires_at <= now(tx))
        chosen = oldest.order_by(dedupe.c.expires_at).limit(limit).with_for_update(skip_locked=True)
        gone = delete(dedupe).where(dedupe.c.key.in_(chosen)).returning(dedupe.c.key)
        return len(tx.execute(gone).all())
