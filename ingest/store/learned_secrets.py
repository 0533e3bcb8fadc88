"""Secrets that were learned in handshakes: taught by rules that the database itself holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from ingest.errors import NotFound
from ingest.learning import LearnedSecret, LearnedState, Lesson
from ingest.store.database import Database
from ingest.store.dialect import insert, lock_names, now
from ingest.store.rejected_schema import learned_secrets, learning_windows
from ingest.store.schema import events

#: Events of a source that are looked at for its secrets' last use.
LOOKED_AT = 10_000

_LEARNED = (
    learned_secrets.c.source,
    learned_secrets.c.name,
    learned_secrets.c.value_encrypted,
    learned_secrets.c.learned_at,
)


@dataclass(frozen=True, slots=True)
class Use:
    """When a secret last proved an event (ms), among the newest ``LOOKED_AT`` of its source."""

    last_at: int
    events: int


def learn(db: Database, lesson: Lesson) -> bool:
    """Store a secret if its source may learn now; whether it did. Raises StoreUnavailable.

    It may while it has no secret, or while a window is open, which this closes. Two that come at
    once are judged one after the other.
    """
    source = lesson.secret.source
    with db.write() as tx:
        lock_names(tx, [f"learn {source}"])
        if not (lesson.waiting and not _has_live(tx, source)) and not _window(tx, source):
            return False
        tx.execute(delete(learning_windows).where(learning_windows.c.source == source))
        row = {**lesson.secret._asdict(), "state": LearnedState.LIVE}
        tx.execute(insert(tx, learned_secrets), row)
        return True


def open_window(db: Database, source: str, for_ms: int) -> int:
    """Let a source learn one secret more within so long; returns until when (ms)."""
    with db.write() as tx:
        until = now(tx) + for_ms
        row = insert(tx, learning_windows).values(source=source, open_until=until)
        same = row.on_conflict_do_update(index_elements=["source"], set_={"open_until": until})
        tx.execute(same)
        return until


def open_sources(db: Database) -> list[str]:
    """Return the sources that may learn one secret more now, in order."""
    wanted = select(learning_windows.c.source).order_by(learning_windows.c.source)
    with db.read() as tx:
        return list(tx.execute(wanted.where(learning_windows.c.open_until > now(tx))).scalars())


def live(db: Database) -> list[LearnedSecret]:
    """Return the learned secrets that are in force, the oldest of a source first."""
    wanted = select(*_LEARNED).where(learned_secrets.c.state == LearnedState.LIVE)
    order = (learned_secrets.c.source, learned_secrets.c.learned_at, learned_secrets.c.name)
    with db.read() as tx:
        return [LearnedSecret(*row) for row in tx.execute(wanted.order_by(*order))]


def retire(db: Database, source: str, name: str) -> None:
    """Take a learned secret out of force. Raises NotFound where it is not in force."""
    one = (learned_secrets.c.source == source, learned_secrets.c.name == name)
    still = learned_secrets.c.state == LearnedState.LIVE
    with db.write() as tx:
        gone = update(learned_secrets).where(*one, still).values(state=LearnedState.RETIRED)
        if not tx.execute(gone.returning(learned_secrets.c.name)).all():
            raise NotFound(f"{source} has no learned secret {name} that is in force")


def last_uses(db: Database, sources: Sequence[str]) -> Mapping[str, Mapping[str, Use]]:
    """Return by source and secret when each was last used, as far as the newest events tell."""
    with db.read() as tx:
        return {source: _uses(tx, source) for source in sources}


def _uses(tx: Connection, source: str) -> dict[str, Use]:
    newest = (
        select(events.c.secret_name, events.c.received_at)
        .where(events.c.source == source)
        .order_by(events.c.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    by_name = select(
        newest.c.secret_name, func.max(newest.c.received_at).label("last_at"), func.count()
    )
    rows = tx.execute(by_name.group_by(newest.c.secret_name))
    return {name: Use(last_at, count) for name, last_at, count in rows if name is not None}


def _has_live(tx: Connection, source: str) -> bool:
    wanted = select(learned_secrets.c.name).where(
        learned_secrets.c.source == source, learned_secrets.c.state == LearnedState.LIVE
    )
    return tx.execute(wanted.limit(1)).first() is not None


def _window(tx: Connection, source: str) -> bool:
    wanted = select(learning_windows.c.source).where(
        learning_windows.c.source == source, learning_windows.c.open_until > now(tx)
    )
    return tx.execute(wanted).first() is not None
