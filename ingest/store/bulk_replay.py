"""Bulk replays: everything that a filter and a range mean, a page at a time, each exactly once.

What was replayed and how far that is are written in one transaction, which holds the row that says
so and is begun by nobody but the worker that holds the job. So a page is done or not, whoever is
killed; and a start that was declared dead, or is cancelled or paused, does none any more.

A page is looked for before that transaction: rare rows may be far apart, and receivers must not
wait meanwhile. Each look goes over a bounded stretch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    func,
    select,
    update,
)
from sqlalchemy import insert as insert_row

from ingest.event_view import OWN_SOURCE
from ingest.events import EventState
from ingest.filters import Dataset
from ingest.jobs.states import Made, Plan
from ingest.replaying import Replay, following, portion
from ingest.store.database import Database
from ingest.store.dialect import insert, now
from ingest.store.filtering import matching_ids
from ingest.store.ids import first_id
from ingest.store.job_rows import IS_HELD
from ingest.store.job_schema import bulk_replays, jobs
from ingest.store.jobs import create_in
from ingest.store.replay import deliver_again, deliver_to, route_again
from ingest.store.schema import AnyRow, deliveries, events

#: Rows that one look goes over (measured: 0.1 s on either database).
STRETCH = 50_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a bulk replay is. ``total``: how many rows there were when it was made.

    ``after_id``: the last row that was seen to. ``wait_ms``: until its pace allows more.
    """

    total: int
    done: int
    after_id: str
    wait_ms: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """A page as it was found: its rows, where it ends, and whether there may be more."""

    standing: Standing
    ids: Sequence[str] = ()
    last_id: str = ""
    finished: bool = False


def count(db: Database, replay: Replay) -> int:
    """Count the rows of a replay, by one statement."""
    with db.read() as tx:
        return _count(tx, replay)


def create(
    db: Database, plan: Plan, total: int, *, trace_id: str, idempotency_key: str | None = None
) -> Made:
    """Make the job of a replay of ``total`` rows. Raises Conflict as ``jobs.create`` does."""
    with db.write() as tx:
        made = create_in(tx, plan, trace_id, {"idempotency_key": idempotency_key})
        if not made.repeated:
            row = {"job_id": made.ids[0], "total": total, **_AT_FIRST}
            tx.execute(insert_row(bulk_replays).values(row))
    return made


def begin(db: Database, job_id: str, replay: Replay) -> Standing:
    """Return how far a replay is; one that was made without a count is counted now."""
    with db.read() as tx:
        row = tx.execute(_row_of(job_id)).first()
        total = 0 if row is not None else _count(tx, replay)
    if row is not None:
        return _standing(row)
    with db.write() as tx:
        first = {"job_id": job_id, "total": total, **_AT_FIRST}
        tx.execute(insert(tx, bulk_replays).values(first).on_conflict_do_nothing())
        return _standing(tx.execute(_row_of(job_id)).one())


def advance(db: Database, job_id: str, starts: int, replay: Replay) -> Standing | None:
    """Replay one page, if it is time for that; return how far the replay is then.

    None: nothing was done, for this start of the job (its ``starts``) is asked to stop, or does
    not hold the job any more, or another one was faster.
    """
    with db.read() as tx:
        look = _look(tx, job_id, replay)
    if look.standing.wait_ms:
        return look.standing
    with db.write() as tx:
        row = tx.execute(_row_of(job_id).with_for_update()).one()
        if row.after_id != look.standing.after_id or not _holds(tx, job_id, starts):
            return None
        done = _replay(tx, replay, look.ids) if look.ids else 0
        moment = now(tx)
        due_at = row.next_at or moment  # 0: this is the first page
        next_at = following(due_at, moment, done, replay.rate)
        values = {"after_id": look.last_id, "done": row.done + done, "next_at": next_at}
        tx.execute(update(bulk_replays).where(bulk_replays.c.job_id == job_id).values(values))
    wait_ms = 0 if look.finished else max(0, next_at - moment)
    return Standing(row.total, row.done + done, look.last_id, wait_ms, look.finished)


def _look(tx: Connection, job_id: str, replay: Replay) -> _Look:
    """Find the next page, on a stretch behind the last one."""
    row = tx.execute(_row_of(job_id)).one()
    standing = _standing(row, now(tx))
    if standing.wait_ms:
        return _Look(standing)
    most = portion(replay.rate)
    after, before = row.after_id or first_id(replay.range.since), first_id(replay.range.until)
    id_ = _ID[replay.dataset]
    stretch = select(id_).where(id_ > after, id_ < before).order_by(id_)
    end = tx.execute(stretch.offset(STRETCH - 1).limit(1)).scalar()
    wanted = _wanted(replay, after).limit(most)
    if end is not None:
        wanted = wanted.where(id_ <= end)
    ids = tx.execute(wanted).scalars().all()
    if len(ids) == most:
        return _Look(standing, ids, ids[-1])
    if end is not None:
        return _Look(standing, ids, end)
    return _Look(standing, ids, ids[-1] if ids else row.after_id, finished=True)


def _replay(tx: Connection, replay: Replay, ids: Sequence[str]) -> int:
    """Replay the rows of a page that are still there; return how many that are."""
    if replay.dataset is Dataset.DELIVERIES:
        return len(deliver_again(tx, ids, replay.target))
    if replay.target is not None:
        return len(deliver_to(tx, ids, replay.target))
    return len(route_again(tx, ids))


def _count(tx: Connection, replay: Replay) -> int:
    ids = _wanted(replay, first_id(replay.range.since)).order_by(None).subquery()
    return tx.execute(select(func.count()).select_from(ids)).scalar_one()


def _wanted(replay: Replay, after: str) -> Select[Any]:
    """Select the rows behind one, all of which were as they are wanted when the range ended.

    What only becomes so later was not counted, and is not replayed.
    """
    ids = matching_ids(replay.dataset, replay.filter, after, first_id(replay.range.until))
    until = replay.range.until
    if replay.dataset is Dataset.DELIVERIES:
        return ids.where(deliveries.c.finished_at < until, deliveries.c.replayed_as.is_(None))
    if replay.filter.source is None:  # what Hookkeeper itself tells is replayed where it is named
        ids = ids.where(events.c.source != OWN_SOURCE)
    if replay.filter.state is not None:
        ids = ids.where(_SINCE[EventState(replay.filter.state)] < until)
    return ids


def _holds(tx: Connection, job_id: str, starts: int) -> bool:
    """Whether this start still holds the job, and nobody wants it to stop."""
    wanted = select(jobs.c.id).where(
        jobs.c.id == job_id,
        jobs.c.starts == starts,
        IS_HELD,
        jobs.c.cancel_requested_at.is_(None),
        jobs.c.paused_at.is_(None),
    )
    return tx.execute(wanted).first() is not None


def _row_of(job_id: str) -> Select[Any]:
    return select(bulk_replays).where(bulk_replays.c.job_id == job_id)


def _standing(row: AnyRow, moment: int = 0) -> Standing:
    wait_ms = max(0, row.next_at - moment) if moment else 0
    return Standing(row.total, row.done, row.after_id, wait_ms)


_AT_FIRST = {"after_id": "", "done": 0, "next_at": 0}
_ID: dict[Dataset, Column[str]] = {
    Dataset.EVENTS: events.c.id,
    Dataset.DELIVERIES: deliveries.c.id,
}
#: Since when an event is in a state.
_SINCE: dict[EventState, ColumnElement[int]] = {
    EventState.STORED: events.c.stored_at,
    EventState.DISPATCHED: events.c.dispatched_at,
    EventState.UNMATCHED: events.c.dispatched_at,
}
