"""What was written by a clock that has been set back since: due at once, not in an hour.

A wake time is one of the clock that there was. Where that was an hour fast and is right again,
what it put off by seconds would sleep for an hour (found by ops/torture, ``clock``). Who looks for
it is the scheduler, at its start and whenever it sees the clock go back.
"""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Table, and_, case, or_, select, update

from ingest.store.database import Database
from ingest.store.delivery_rows import REPUBLISH_MS, WAITING
from ingest.store.dialect import now
from ingest.store.given import among_given, given_ids
from ingest.store.job_rows import IS_PENDING, WAITS
from ingest.store.job_schema import jobs
from ingest.store.schema import deliveries, events
from ingest.store.wake import STORED

#: Nothing that is due is put off for longer than REPUBLISH_MS; the rest is for a slow commit.
_LONGEST_MS = 6 * REPUBLISH_MS
#: Clocks are corrected by less than this all the time.
_SLACK_MS = 1_000
_ROWS = 1_000  # a transaction


def make_due(db: Database) -> int:
    """Wake events, deliveries and jobs that sleep by a clock there is no more; return how many.

    A delivery whose last attempt, or whose making, lies in the future is due now, as nobody can
    say any more when it should be. It is read without a lock: it may read the whole backlog.
    """
    with db.read() as tx:
        moment = now(tx)
    longest = moment + _LONGEST_MS
    due = {"due_at": moment, "wake_at": moment}
    put_off = and_(deliveries.c.wake_at > longest, deliveries.c.due_at <= moment)
    woken = _change(db, events, and_(STORED, events.c.wake_at > longest), {"wake_at": moment})
    woken += _change(db, deliveries, and_(WAITING, _of_the_future(moment)), due)
    woken += _change(db, deliveries, and_(WAITING, put_off), {"wake_at": moment})
    return woken + _make_jobs_due(db, moment)


def _make_jobs_due(db: Database, moment: int) -> int:
    """Do the same for jobs: a new one keeps the delay that it was made with.

    When a job was last tried is not kept. One that began before the clock was wrong, and failed
    while it was, sleeps until the time that was written.
    """
    latest = moment + _SLACK_MS
    asleep = and_(IS_PENDING, jobs.c.due_at > moment)
    due_at = moment + jobs.c.due_at - jobs.c.created_at
    new = {
        "created_at": moment,
        "due_at": due_at,
        "wake_at": case((WAITS, due_at)),
    }
    tried = {"due_at": moment, "wake_at": case((WAITS, moment))}
    put_off = and_(WAITS, jobs.c.wake_at > moment + _LONGEST_MS, jobs.c.due_at <= moment)
    made_then = and_(asleep, jobs.c.started_at.is_(None), jobs.c.created_at > latest)
    woken = _change(db, jobs, made_then, new)
    woken += _change(db, jobs, and_(asleep, jobs.c.started_at > latest), tried)
    return woken + _change(db, jobs, put_off, {"wake_at": moment})


def _of_the_future(moment: int) -> ColumnElement[bool]:
    latest = moment + _SLACK_MS
    made = and_(deliveries.c.last_attempt_at.is_(None), deliveries.c.created_at > latest)
    asleep = deliveries.c.due_at > moment
    return and_(asleep, or_(deliveries.c.last_attempt_at > latest, made))


def _change(
    db: Database, table: Table, which: ColumnElement[bool], values: Mapping[str, object]
) -> int:
    changed = 0
    while True:
        with db.read() as tx:
            ids = list(tx.execute(select(table.c.id).where(which).limit(_ROWS)).scalars())
        if not ids:
            return changed
        with db.write() as tx:
            free = select(table.c.id).where(among_given(table.c.id), which).order_by(table.c.id)
            rows = update(table).where(table.c.id.in_(free.with_for_update())).values(values)
            changed += tx.execute(rows, given_ids(ids)).rowcount
