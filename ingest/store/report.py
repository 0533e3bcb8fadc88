"""What happened in a stretch of time, counted for the daily report.

Everything is found by the times in ids, so no index is read but the primary keys: rows that were
made in that time, as they stand now.
"""

from dataclasses import dataclass
from math import ceil

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, select

from ingest.events import DeliveryState, EventState
from ingest.jobs.states import JobState
from ingest.store.database import Database
from ingest.store.ids import first_id
from ingest.store.job_schema import jobs
from ingest.store.schema import deliveries, events

#: Latencies are those of the newest so many deliveries: their order is worked out in memory.
SAMPLE = 50_000

_FAILED = (DeliveryState.DEAD, DeliveryState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """What one source sent. ``p50_ms`` and ``p95_ms``: from receipt to done, None for no sample."""

    source: str
    received: int
    duplicates: int
    unmatched: int
    p50_ms: int | None = None
    p95_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DestinationFigures:
    """What became of the deliveries to one destination; quarantined ones are ``dead``, too."""

    destination: str
    succeeded: int
    dead: int
    unended: int


@dataclass(frozen=True, slots=True)
class JobFigures:
    """What became of the jobs of one kind; ``error``: of the last that failed."""

    kind: str
    succeeded: int
    failed: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it, each in the order of its names."""

    sources: tuple[SourceFigures, ...]
    destinations: tuple[DestinationFigures, ...]
    jobs: tuple[JobFigures, ...]


def figures(db: Database, since: int, until: int) -> Figures:
    """Count what was made from ``since`` to ``until`` (ms, the end excluded)."""
    with db.read() as tx:
        return Figures(
            tuple(_sources(tx, since, until)),
            tuple(_destinations(tx, since, until)),
            tuple(_jobs(tx, since, until)),
        )


def _sources(tx: Connection, since: int, until: int) -> list[SourceFigures]:
    unmatched = func.sum(case((events.c.state == EventState.UNMATCHED, 1), else_=0))
    rows = tx.execute(
        select(
            events.c.source,
            func.count().label("received"),
            func.sum(events.c.duplicates).label("repeated"),
            unmatched.label("unmatched"),
        )
        .where(_made(events, since, until))
        .group_by(events.c.source)
        .order_by(events.c.source)
    ).all()
    took = _latencies(tx, since, until)
    found = []
    for row in rows:
        its = took.get(row.source, [])
        counts = (row.received, int(row.repeated), int(row.unmatched))
        found.append(SourceFigures(row.source, *counts, _at(its, 0.50), _at(its, 0.95)))
    return found


def _latencies(tx: Connection, since: int, until: int) -> dict[str, list[int]]:
    """How long (ms) the newest deliveries took from the receipt on, in order, by source."""
    newest = (
        select(deliveries.c.event_id, deliveries.c.finished_at)
        .where(_made(deliveries, since, until), deliveries.c.state == DeliveryState.SUCCEEDED)
        .order_by(deliveries.c.id.desc())
        .limit(SAMPLE)
        .subquery()
    )
    took = (newest.c.finished_at - events.c.received_at).label("took")
    joined = select(events.c.source, took).join_from(
        newest, events, events.c.id == newest.c.event_id
    )
    found: dict[str, list[int]] = {}
    for row in tx.execute(joined.order_by(events.c.source, took)):
        found.setdefault(row.source, []).append(max(0, row.took))
    return found


def _at(ordered: list[int], part: float) -> int | None:
    """The value that so large a part of them is not above."""
    return ordered[ceil(part * len(ordered)) - 1] if ordered else None


def _destinations(tx: Connection, since: int, until: int) -> list[DestinationFigures]:
    rows = tx.execute(
        select(
            deliveries.c.destination,
            _count(deliveries.c.state == DeliveryState.SUCCEEDED).label("succeeded"),
            _count(deliveries.c.state.in_(_FAILED)).label("dead"),
            _count(deliveries.c.finished_at.is_(None)).label("unended"),
        )
        .where(_made(deliveries, since, until))
        .group_by(deliveries.c.destination)
        .order_by(deliveries.c.destination)
    )
    return [
        DestinationFigures(row.destination, int(row.succeeded), int(row.dead), int(row.unended))
        for row in rows
    ]


def _jobs(tx: Connection, since: int, until: int) -> list[JobFigures]:
    failed = jobs.c.state == JobState.FAILURE
    last = func.max(case((failed, jobs.c.id)))
    rows = tx.execute(
        select(
            jobs.c.kind,
            _count(jobs.c.state == JobState.SUCCESS).label("succeeded"),
            _count(failed).label("failed"),
            last.label("last"),
        )
        .where(_made(jobs, since, until))
        .group_by(jobs.c.kind)
        .order_by(jobs.c.kind)
    ).all()
    said = select(jobs.c.id, jobs.c.error_message).where(jobs.c.id.in_([row.last for row in rows]))
    errors = {row.id: row.error_message for row in tx.execute(said)}
    return [
        JobFigures(row.kind, int(row.succeeded), int(row.failed), errors.get(row.last))
        for row in rows
    ]


def _made(table: Table, since: int, until: int) -> ColumnElement[bool]:
    return and_(table.c.id >= first_id(since), table.c.id < first_id(until))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
