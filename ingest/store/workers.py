"""Worker processes and their leases, and what becomes of the work of a dead one.

A process renews its row every 3 s; 10 s after its last renewal it counts as dead, and any
scheduler gives its deliveries and jobs back. A process that comes back late finds its outcomes
fenced.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, update

from ingest.events import AttemptOutcome, DeliveryRef, DeliveryState, DestinationKind
from ingest.lifecycle import LOSSES_TO_QUARANTINE
from ingest.store.accept import PUBLISH_GRACE_MS
from ingest.store.database import Database
from ingest.store.delivery_rows import RUNNING
from ingest.store.dialect import boot_id, insert, lease_ms, now, now_ms
from ingest.store.job_schema import jobs
from ingest.store.schema import AnyRow, attempts, deliveries, workers

LEASE_MS = 10_000

_LOST = "worker_lost"
_LOST_MESSAGE = "The worker process died, or was cut off, before it reported how this ended."


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process as it registered itself."""

    id: str
    host: str
    pid: int
    started_at: int


def register(db: Database, worker_id: str, host: str, pid: int) -> None:
    """Enter a worker process, or enter it again after it was declared dead."""
    lease = {"lease_until": lease_ms() + LEASE_MS, "boot_id": boot_id()}
    with db.write() as tx:
        statement = insert(tx, workers).values(
            id=worker_id, host=host, pid=pid, started_at=now_ms(), **lease
        )
        tx.execute(statement.on_conflict_do_update(index_elements=[workers.c.id], set_=lease))


def renew(db: Database, worker_id: str) -> bool:
    """Extend a worker's lease. False: it was declared dead, and must register again."""
    with db.write() as tx:
        return renew_in(tx, worker_id)


def renew_in(tx: Connection, worker_id: str) -> bool:
    """Do the work of ``renew`` inside an open transaction."""
    statement = update(workers).where(workers.c.id == worker_id)
    statement = statement.values(lease_until=lease_ms() + LEASE_MS, boot_id=boot_id())
    return tx.execute(statement.returning(workers.c.id)).first() is not None


def retire(db: Database, worker_id: str) -> None:
    """Remove a worker that ends in order. One that still holds work expires at once.

    It does where something could be neither finished nor interrupted: a scheduler takes it back.
    """
    mine = workers.c.id == worker_id
    with db.write() as tx:
        tx.execute(select(workers.c.id).where(mine).with_for_update())
        remove_idle(tx, [worker_id])
        tx.execute(update(workers).where(mine).values(lease_until=lease_ms()))


def live(db: Database) -> list[Worker]:
    """Return the worker processes whose lease holds, the oldest first."""
    columns = (workers.c.id, workers.c.host, workers.c.pid, workers.c.started_at)
    with db.read() as tx:
        rows = tx.execute(select(*columns).where(leased()).order_by(workers.c.started_at))
        return [Worker(row.id, row.host, row.pid, row.started_at) for row in rows]


def leased(grace_ms: int = 0) -> ColumnElement[bool]:
    """Whether a worker's lease holds, or ran out no longer than ``grace_ms`` ago.

    A lease beyond what a renewal gives comes from another boot, on systems without boot ids.
    """
    return and_(
        workers.c.boot_id == boot_id(),
        workers.c.lease_until > lease_ms() - grace_ms,
        workers.c.lease_until <= lease_ms() + LEASE_MS,
    )


def hold_lease(tx: Connection, worker_id: str) -> bool:
    """Keep a worker from being declared dead until this transaction ends; False: it was.

    An expired lease that nobody took note of is renewed: who asks is alive.
    """
    statement = select(leased().label("live")).where(workers.c.id == worker_id)
    row = tx.execute(statement.with_for_update(read=True, key_share=True)).first()
    return row is not None and (bool(row.live) or renew_in(tx, worker_id))


def free_expired(db: Database, limit: int) -> list[DeliveryRef]:
    """Take up to ``limit`` deliveries from dead workers; return those that may be tried again.

    Each such start counts as a crash, with an attempt that says so; the tenth quarantines (see
    ``LOSSES_TO_QUARANTINE``). They are due since they were first, and their ``wake_at`` is a little
    later, so that the caller can publish them first.
    """
    with db.read() as tx:
        if not tx.execute(select(workers.c.id).where(~leased()).limit(1)).first() and not (
            tx.execute(select(deliveries.c.id).where(RUNNING, _orphaned()).limit(1)).first()
        ):
            return []
    with db.write() as tx:
        return free_expired_in(tx, limit)


def free_expired_in(tx: Connection, limit: int) -> list[DeliveryRef]:
    """Do the work of ``free_expired`` inside an open transaction."""
    dead = expired_in(tx)
    rows = tx.execute(
        select(deliveries)
        .where(RUNNING, or_(deliveries.c.worker_id.in_(dead), _orphaned()))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        moment = now(tx)
        tx.execute(insert(tx, attempts), [_crash_row(row, moment) for row in rows])
        tx.execute(_FREE, [_freed(row, moment) for row in rows])
    remove_idle(tx, dead)
    return [
        DeliveryRef(row.id, row.destination, DestinationKind(row.kind), row.queue, alone=True)
        for row in rows
        if not _is_poison(row)
    ]


def _orphaned() -> ColumnElement[bool]:
    """Whether a running delivery's worker is not even registered: only by tampering."""
    return deliveries.c.worker_id.not_in(select(workers.c.id))


def expired_in(tx: Connection) -> list[str]:
    """Lock the workers whose lease ran out, and return their ids."""
    expired = select(workers.c.id).where(~leased()).order_by(workers.c.id)
    return list(tx.execute(expired.with_for_update(skip_locked=True)).scalars())


def remove_idle(tx: Connection, worker_ids: list[str]) -> None:
    """Delete those of the workers, locked by the caller, that hold no delivery and no job."""
    delivering = select(deliveries.c.id).where(RUNNING, deliveries.c.worker_id == workers.c.id)
    working = select(jobs.c.id).where(jobs.c.worker_id == workers.c.id)
    idle = (workers.c.id.in_(worker_ids), ~delivering.exists(), ~working.exists())
    tx.execute(delete(workers).where(*idle))


def _crash_row(row: AnyRow, moment: int) -> dict[str, Any]:
    return {
        "delivery_id": row.id,
        "number": row.starts,
        "started_at": row.claimed_at,
        "finished_at": moment,
        "outcome": AttemptOutcome.CRASHED,
        "code": _LOST,
        "message": _LOST_MESSAGE,
        "worker_id": row.worker_id,
    }


_FREE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery_id"))
    .values(
        state=bindparam("new_state"),
        wake_at=bindparam("new_wake_at"),
        finished_at=bindparam("ended_at"),
        worker_id=None,
        claimed_at=None,
        crashes=deliveries.c.crashes + 1,
        last_outcome=AttemptOutcome.CRASHED,
        last_status=None,
        last_code=_LOST,
        last_message=_LOST_MESSAGE,
        last_attempt_at=bindparam("moment"),
    )
)


def _is_poison(row: AnyRow) -> bool:
    """Whether a delivery that was lost just now was so too often."""
    return bool(row.crashes + 1 >= LOSSES_TO_QUARANTINE)


def _freed(row: AnyRow, moment: int) -> dict[str, Any]:
    poison = _is_poison(row)
    return {
        "delivery_id": row.id,
        "moment": moment,
        "new_state": DeliveryState.QUARANTINED if poison else DeliveryState.WAITING,
        "new_wake_at": None if poison else moment + PUBLISH_GRACE_MS,
        "ended_at": moment if poison else None,
    }
