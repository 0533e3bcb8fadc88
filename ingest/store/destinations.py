"""Paused destinations: their deliveries are kept, and wait."""

from dataclasses import dataclass

from sqlalchemy import delete, select

from ingest.store.database import Database
from ingest.store.dialect import insert, now_ms
from ingest.store.schema import paused_destinations


@dataclass(frozen=True, slots=True)
class Paused:
    """A destination that somebody paused, and why."""

    name: str
    reason: str
    paused_at: int


def pause(db: Database, name: str, reason: str) -> None:
    """Start no more deliveries to a destination. Pausing it again changes the reason."""
    with db.write() as tx:
        statement = insert(tx, paused_destinations).values(
            name=name, reason=reason, paused_at=now_ms()
        )
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=[paused_destinations.c.name], set_={"reason": reason}
            )
        )


def resume(db: Database, name: str) -> None:
    """Deliver to a destination again. What was overdue is published at the next look."""
    with db.write() as tx:
        tx.execute(delete(paused_destinations).where(paused_destinations.c.name == name))


def paused(db: Database) -> list[Paused]:
    """Return the paused destinations, by name."""
    with db.read() as tx:
        rows = tx.execute(select(paused_destinations).order_by(paused_destinations.c.name))
        return [Paused(row.name, row.reason, row.paused_at) for row in rows]
