"""The promise, checked in SQL: every event is accounted for (design.md, The promise, 3).

Each violation is one statement, so it sees one consistent state, and counts rows that must not
exist. The database's own constraints make most of them impossible to write; this finds them all
the same.
"""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    Table,
    and_,
    func,
    select,
    true,
)

from ingest.events import TERMINAL, DeliveryState, EventState
from ingest.jobs.states import JobState
from ingest.store import job_ledger
from ingest.store.database import Database
from ingest.store.delivery_rows import DEAD, RUNNING, WAITING
from ingest.store.dialect import now
from ingest.store.distinct import distinct
from ingest.store.job_schema import jobs
from ingest.store.schema import attempts, deliveries, events, paused_destinations, workers
from ingest.store.wake import STORED
from ingest.store.workers import leased

#: How long a stored event may wait for its dispatch, and a dead worker's row to be freed.
GRACE_MS = 60_000

#: The queue name of events that wait for their dispatch; deliveries name their own.
DISPATCH_QUEUE = "dispatch"

#: States of what a worker holds, which has no age: it waits for nothing.
WORKED_ON = frozenset({DeliveryState.RUNNING.value, JobState.STARTED.value})


@dataclass(frozen=True, slots=True)
class Depth:
    """How many rows of a queue are in one state.

    ``oldest_age_ms``: for how long the oldest has been due; 0 where none is, None for rows that
    are being worked on.
    """

    queue: str
    state: str
    count: int
    oldest_age_ms: int | None


def violations(db: Database, newest: int | None = None) -> dict[str, int]:
    """Count the rows that break the promise, by the name of what they break. All must be 0.

    This reads every event and delivery (measured with 10 million: minutes), or only so many of
    the ``newest`` of each. What waits or runs is always checked as a whole.
    """
    with db.read() as tx:
        found = {name: tx.execute(query).scalar_one() for name, query in _live_checks(tx).items()}
        for name, table, broken in _HISTORY:
            since = table.c.id > _newest(tx, table, newest)
            found[name] = tx.execute(_count(table, broken, since)).scalar_one()
    return found


class Audit:
    """Checks all of history, a stretch a step, over and over: no step takes long."""

    def __init__(self, db: Database, stretch: int) -> None:
        self._db = db
        self._walks = {name: _Walk(table, broken, stretch) for name, table, broken in _HISTORY}

    def step(self) -> dict[str, int]:
        """Check so many more events and deliveries; return what this or the last round found."""
        with self._db.read() as tx:
            return {name: walk.step(tx) for name, walk in self._walks.items()}


class _Walk:
    """One check of one table, in the order of its ids."""

    def __init__(self, table: Table, broken: ColumnElement[bool], stretch: int) -> None:
        self._table = table
        self._broken = broken
        self._stretch = stretch
        self._after = ""
        self._found = 0
        self._last_round = 0

    def step(self, tx: Connection) -> int:
        id_ = self._table.c.id
        ids = select(id_).where(id_ > self._after).order_by(id_)
        end = tx.execute(ids.offset(self._stretch - 1).limit(1)).scalar()
        part = (id_ > self._after, true() if end is None else id_ <= end)
        self._found += tx.execute(_count(self._table, self._broken, *part)).scalar_one()
        self._after = end or ""
        worst = max(self._found, self._last_round)
        if end is None:
            self._found, self._last_round = 0, self._found
        return worst


def depths(db: Database) -> list[Depth]:
    """Count what waits and what runs, by queue."""
    with db.read() as tx:
        moment = now(tx)
        found = [*_stored(tx, moment), *_waiting(tx, moment), *_running(tx)]
        return [*found, *(Depth(*one) for one in job_ledger.depths(tx, moment))]


def dead_letters(db: Database) -> dict[str, int]:
    """Count the deliveries that were given up and not replayed, by state."""
    counted = select(deliveries.c.state, func.count().label("total")).where(DEAD)
    with db.read() as tx:
        counts = {state.value: 0 for state in (DeliveryState.DEAD, DeliveryState.QUARANTINED)}
        found = tx.execute(counted.group_by(deliveries.c.state))
        return counts | {row.state: row.total for row in found}


def _live_checks(tx: Connection) -> dict[str, Select[int]]:
    """What waits or runs is in an index of its own, short beside the history."""
    worker = select(workers.c.id).where(workers.c.id == deliveries.c.worker_id, leased(GRACE_MS))
    late = events.c.stored_at < now(tx) - GRACE_MS
    # By destination, or the whole index would be read in search of what cannot be.
    names = sorted(distinct(tx, deliveries.c.destination, WAITING))
    asleep = and_(deliveries.c.destination.in_(names), deliveries.c.wake_at.is_(None))
    return {
        "event_undispatched": _count(events, STORED, late),
        "waiting_without_wake": _count(deliveries, WAITING, asleep),
        "running_without_worker": _count(deliveries, RUNNING, ~worker.exists()),
        **job_ledger.checks(GRACE_MS),
    }


def _count(table: Table, *conditions: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).select_from(table).where(*conditions)


def _written() -> ScalarSelect[int]:
    """Count the deliveries that an event's last dispatch wrote."""
    return (
        select(func.count())
        .where(
            deliveries.c.event_id == events.c.id,
            deliveries.c.generation == events.c.matched_generation,
        )
        .scalar_subquery()
    )


_ATTEMPT = select(attempts.c.number).where(attempts.c.delivery_id == deliveries.c.id)

#: What only reading the whole history finds: the check's name, its table, what is broken.
_HISTORY = (
    (
        "delivery_missing",
        events,
        and_(events.c.state != EventState.STORED, events.c.matched != _written()),
    ),
    (
        "ended_without_attempt",
        deliveries,
        and_(deliveries.c.state.in_(sorted(TERMINAL)), ~_ATTEMPT.exists()),
    ),
    ("job_ended_without_attempt", jobs, job_ledger.UNTRIED),
)


def _newest(tx: Connection, table: Table, count: int | None) -> str:
    """Return the id behind which so many rows are; "" for all of them."""
    if count is None:
        return ""
    ids = select(table.c.id).order_by(table.c.id.desc()).offset(count).limit(1)
    return str(tx.execute(ids).scalar() or "")


def _stored(tx: Connection, moment: int) -> list[Depth]:
    wanted = select(func.count().label("total"), func.min(events.c.stored_at).label("oldest"))
    row = tx.execute(wanted.where(STORED)).one()
    if not row.total:
        return []
    return [Depth(DISPATCH_QUEUE, EventState.STORED, row.total, max(0, moment - row.oldest))]


def _waiting(tx: Connection, moment: int) -> list[Depth]:
    """Count by destination, as the index is ordered: SQLite would sort the backlog in memory.

    A destination has one queue, and two only for a while after its configuration changed. What is
    paused counts, and makes no queue look late: somebody wants it to wait.
    """
    figures = (func.count().label("total"), func.min(deliveries.c.due_at).label("oldest"))
    by_name = select(
        deliveries.c.destination,
        func.min(deliveries.c.queue).label("queue"),
        func.max(deliveries.c.queue).label("last"),
        *figures,
    ).where(WAITING)
    found = tx.execute(by_name.group_by(deliveries.c.destination)).all()
    mixed = [row.destination for row in found if row.queue != row.last]
    both = (deliveries.c.destination, deliveries.c.queue)
    by_both = select(*both, *figures).where(WAITING, deliveries.c.destination.in_(mixed))
    rows = [row for row in found if row.queue == row.last]
    if mixed:
        rows += tx.execute(by_both.group_by(*both))
    resting = set(tx.execute(select(paused_destinations.c.name)).scalars())
    totals: Counter[str] = Counter()
    oldest: dict[str, int] = {}
    for row in rows:
        totals[row.queue] += row.total
        since = moment if row.destination in resting else row.oldest
        oldest[row.queue] = min(since, oldest.get(row.queue, since))
    return [
        Depth(queue, DeliveryState.WAITING, totals[queue], max(0, moment - oldest[queue]))
        for queue in sorted(totals)
    ]


def _running(tx: Connection) -> list[Depth]:
    found = tx.execute(
        select(deliveries.c.queue, func.count().label("total"))
        .where(RUNNING)
        .group_by(deliveries.c.queue)
        .order_by(deliveries.c.queue)
    )
    return [Depth(row.queue, DeliveryState.RUNNING, row.total, None) for row in found]
