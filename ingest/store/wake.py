"""What is due: rows whose ``wake_at`` has passed, to be published (again).

Publishing is a hint that may get lost; these rows are the truth. A returned row is left alone for
ten seconds, so any number of schedulers may ask.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    Subquery,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
    update,
)

from ingest.events import DeliveryRef
from ingest.jobs.states import JobRef
from ingest.store import job_rows
from ingest.store.database import Database
from ingest.store.delivery_rows import REPUBLISH_MS, WAITING, postpone
from ingest.store.dialect import now
from ingest.store.distinct import distinct
from ingest.store.job_schema import jobs
from ingest.store.schema import deliveries, events, paused_destinations

STORED = events.c.state == literal_column("'stored'")


def due_events(db: Database, limit: int) -> list[str]:
    """Return up to ``limit`` events whose dispatch is overdue, the longest waiting first."""
    with db.read() as tx:
        ids = _overdue_events(tx, limit)
    if not ids:
        return []
    with db.write() as tx:
        moment = now(tx)
        # STORED, which a wake time implies, would lead PostgreSQL to the whole backlog instead.
        free = select(events.c.id).where(events.c.id.in_(ids), events.c.wake_at <= moment)
        free = free.order_by(events.c.id).with_for_update(skip_locked=True)
        statement = update(events).where(events.c.id.in_(free))
        moved = tx.execute(statement.values(wake_at=moment + REPUBLISH_MS).returning(events.c.id))
        taken = set(moved.scalars())
    return [id_ for id_ in ids if id_ in taken]


def due_deliveries(
    db: Database, limit: int, skip_queues: Collection[str] = ()
) -> list[DeliveryRef]:
    """Return up to ``limit`` overdue deliveries, taking destinations in turn.

    Those of paused destinations rest. ``skip_queues``: queues that hold enough already.
    """
    with db.read() as tx:
        ids = _overdue_deliveries(tx, limit, skip_queues)
    if not ids:
        return []
    with db.write() as tx:
        return postpone(tx, ids, now(tx))


def due_jobs(db: Database, limit: int, skip_queues: Collection[str] = ()) -> list[JobRef]:
    """Return up to ``limit`` overdue jobs, the longest waiting first."""
    with db.read() as tx:
        overdue = select(jobs.c.id).where(
            job_rows.WAITS, jobs.c.wake_at <= now(tx), jobs.c.queue.not_in(list(skip_queues))
        )
        ids = list(tx.execute(overdue.order_by(jobs.c.wake_at).limit(limit)).scalars())
    if not ids:
        return []
    with db.write() as tx:
        return job_rows.postpone(tx, ids, now(tx))


def next_ids(
    tx: Connection, names: Collection[str], limit: int, after: tuple[int, str]
) -> list[str]:
    """Return which deliveries of some destinations are published next, however far ahead.

    ``after``: the wake time and id of the last one that is known.
    """
    stretches = _stretches(names, None, limit, after)
    if stretches is None:
        return []
    wanted = select(stretches.c.id).order_by(stretches.c.wake_at, stretches.c.id).limit(limit)
    return list(tx.execute(wanted).scalars())


def _overdue_events(tx: Connection, limit: int) -> list[str]:
    wanted = select(events.c.id).where(STORED, events.c.wake_at <= now(tx))
    return list(tx.execute(wanted.order_by(events.c.wake_at).limit(limit)).scalars())


def _overdue_deliveries(tx: Connection, limit: int, skip_queues: Collection[str]) -> list[str]:
    """Look at each destination's own stretch of the index, so that none hides the others."""
    names = distinct(tx, deliveries.c.destination, WAITING) - set(_paused(tx))
    stretches = _stretches(names, now(tx), limit)
    if stretches is None:
        return []
    wanted = select(stretches.c.id).where(stretches.c.queue.not_in(list(skip_queues)))
    wanted = wanted.order_by(stretches.c.turn, stretches.c.wake_at).limit(limit)
    return list(tx.execute(wanted).scalars())


def _stretches(
    names: Collection[str],
    until: int | None,
    limit: int,
    after: tuple[int, str] | None = None,
) -> Subquery | None:
    """Select up to ``limit`` waiting deliveries of each destination; None for no destination."""
    parts = [select(_stretch(name, until, limit, after).subquery()) for name in sorted(names)]
    return union_all(*parts).subquery() if parts else None


def _stretch(
    name: str, until: int | None, limit: int, after: tuple[int, str] | None
) -> Select[Any]:
    """Select one destination's waiting deliveries that wake by then, numbered in their order."""
    turn = func.row_number().over(order_by=deliveries.c.wake_at).label("turn")
    wanted = select(deliveries.c.id, deliveries.c.queue, deliveries.c.wake_at, turn)
    wanted = wanted.where(WAITING, deliveries.c.destination == name)
    if until is not None:
        wanted = wanted.where(deliveries.c.wake_at <= until)
    if after is not None:
        place = (deliveries.c.wake_at, deliveries.c.id)
        return wanted.where(tuple_(*place) > tuple_(*after)).order_by(*place).limit(limit)
    return wanted.order_by(deliveries.c.wake_at).limit(limit)


def _paused(tx: Connection) -> list[str]:
    return list(tx.execute(select(paused_destinations.c.name)).scalars())
