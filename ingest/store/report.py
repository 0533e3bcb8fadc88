"""What happened in a stretch of time, counted for the daily report.

Everything is found by the times in ids, so no index over times is needed: rows that were made in
that time, as they stand now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, or_, select, text

from ingest.events import DeliveryState, EventState
from ingest.jobs.states import JobState
from ingest.store.database import Database
from ingest.store.delivery_rows import is_state
from ingest.store.ids import first_id
from ingest.store.job_schema import jobs
from ingest.store.schema import GIVEN_UP, AnyRow, deliveries, events

#: Latencies are those of so many events of each source, the newest: they are found by the index of
#: sources, and their deliveries by that of events, so a quiet source costs little and is not
#: crowded out, and a busy one costs no more.
SAMPLE = 10_000

_FAILED = (DeliveryState.DEAD, DeliveryState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """What one source sent, and how many deliveries of it were given up (``dead``).

    ``p50_ms`` and ``p95_ms``: from receipt to done, None for no sample. A replay is as
    late as its event is old, so replays are no part of them.
    """

    source: str
    received: int
    duplicates: int
    unmatched: int
    dead: int = 0
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
    """Those that sent something, and those of which something was given up, as a replay may be."""
    dead = _dead(tx, since, until)
    received = {row.source: row for row in _received(tx, since, until)}
    found = []
    for source in sorted(received.keys() | dead.keys()):
        row = received.get(source)
        total, repeated, unmatched = row[1:] if row else (0, 0, 0)
        took = _latencies(tx, source, since, until)
        its_dead, p50, p95 = dead.get(source, 0), _at(took, 0.50), _at(took, 0.95)
        counts = SourceFigures(source, total, int(repeated), int(unmatched), its_dead, p50, p95)
        found.append(counts)
    return found


def _received(tx: Connection, since: int, until: int) -> Sequence[AnyRow]:
    return tx.execute(
        select(
            events.c.source,
            func.count().label("received"),
            func.sum(events.c.duplicates).label("repeated"),
            _count(events.c.state == EventState.UNMATCHED).label("unmatched"),
        )
        .where(_made(events, since, until))
        .group_by(events.c.source)
    ).all()


def _dead(tx: Connection, since: int, until: int) -> dict[str, int]:
    """Count the deliveries that were given up, by source; the index holds nothing else."""
    failed = or_(*map(is_state, _FAILED))
    rows = tx.execute(
        select(events.c.source, func.count().label("total"))
        .join_from(deliveries, events, events.c.id == deliveries.c.event_id)
        .where(text(f"deliveries.{GIVEN_UP}"), failed, _made(deliveries, since, until))
        .group_by(events.c.source)
    )
    return {row.source: row.total for row in rows}


def _latencies(tx: Connection, source: str, since: int, until: int) -> list[int]:
    """How long (ms) the deliveries of the newest events took from the receipt on, in order."""
    newest = (
        select(events.c.id, events.c.received_at)
        .where(events.c.source == source, _made(events, since, until))
        .order_by(events.c.id.desc())
        .limit(SAMPLE)
        .subquery()
    )
    took = select(deliveries.c.finished_at - newest.c.received_at)
    rows = tx.execute(
        took.join_from(newest, deliveries, deliveries.c.event_id == newest.c.id).where(
            deliveries.c.generation == 0, deliveries.c.state == DeliveryState.SUCCEEDED
        )
    )
    return sorted(max(0, one) for one in rows.scalars())


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
