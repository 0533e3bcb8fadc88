"""A delivery as it is read back, and the one way to put off its next publishing."""

from sqlalchemy import ColumnElement, Connection, and_, literal_column, or_, select, text, update

from ingest.events import DeliveryRef, DeliveryState, DestinationKind
from ingest.store.schema import GIVEN_UP, AnyRow, deliveries

#: How long a published row is left alone before it is published again.
REPUBLISH_MS = 10_000


def is_state(state: DeliveryState) -> ColumnElement[bool]:
    """Compare with a literal: a bound value would hide from SQLite that a partial index fits."""
    return deliveries.c.state == literal_column(f"'{state}'")


WAITING = is_state(DeliveryState.WAITING)
RUNNING = is_state(DeliveryState.RUNNING)

#: Given up, and nobody has replayed it.
DEAD = and_(
    text(GIVEN_UP),
    or_(is_state(DeliveryState.DEAD), is_state(DeliveryState.QUARANTINED)),
    deliveries.c.replayed_as.is_(None),
)


def ref_from(row: AnyRow) -> DeliveryRef:
    """Build what the wire needs to know of a delivery."""
    kind = DestinationKind(row.kind)
    return DeliveryRef(row.id, row.destination, kind, row.queue, alone=row.crashes > 0)


def postpone(tx: Connection, ids: list[str], moment: int, horizon_ms: int = 0) -> list[DeliveryRef]:
    """Move the ``wake_at`` of due deliveries on, and return them for publishing.

    Due: their ``wake_at`` is at most ``horizon_ms`` from now. It is asked for under the lock, since
    another transaction may have moved it meanwhile. Rows that one holds are being seen to, and
    left out. A wake time says that a delivery waits. To ask for that, too, leads PostgreSQL to the
    index of what waits, and through all of it, until it has new statistics (measured: 180 ms).
    """
    if not ids:
        return []
    free = select(deliveries.c.id).where(
        deliveries.c.id.in_(ids), deliveries.c.wake_at <= moment + horizon_ms
    )
    free = free.order_by(deliveries.c.id).with_for_update(skip_locked=True)
    statement = update(deliveries).where(deliveries.c.id.in_(free))
    rows = tx.execute(statement.values(wake_at=moment + REPUBLISH_MS).returning(deliveries))
    refs = {row.id: ref_from(row) for row in rows}
    return [refs[id_] for id_ in ids if id_ in refs]
