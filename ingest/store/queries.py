"""What people look at: lists and details of events, deliveries and attempts. Nothing is changed."""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, literal_column, select, text

from ingest.errors import NotFound
from ingest.events import (
    TERMINAL,
    AttemptOutcome,
    DeliveryState,
    DestinationKind,
    Event,
    EventState,
)
from ingest.store.database import Database
from ingest.store.delivery_rows import DEAD, WAITING, is_state
from ingest.store.distinct import distinct
from ingest.store.event_rows import EVENT_COLUMNS, event_from
from ingest.store.ids import first_id
from ingest.store.schema import GIVEN_UP, AnyRow, attempts, deliveries, duplicates, events, payloads
from ingest.store.wake import next_ids

#: An id may be given by its beginning, from this many characters on.
PREFIX_LENGTH = 8


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event in a list: everything but its payload."""

    id: str
    source: str
    type: str
    provider_event_id: str | None
    state: EventState
    received_at: int
    dispatched_at: int | None
    generation: int
    duplicates: int
    conflicts: int
    trace_id: str
    secret_name: str | None
    type_signed: bool | None


@dataclass(frozen=True, kw_only=True)
class StoredEvent(Event):
    """An event as it is kept: itself, and how far it is."""

    state: EventState
    dispatched_at: int | None
    duplicates: int
    conflicts: int
    secret_name: str | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery in a list, with what its last attempt came to."""

    id: str
    event_id: str
    destination: str
    kind: DestinationKind
    queue: str
    generation: int
    state: DeliveryState
    due_at: int
    wake_at: int | None
    worker_id: str | None
    claimed_at: int | None
    starts: int
    attempts: int
    crashes: int
    created_at: int
    finished_at: int | None
    last_outcome: AttemptOutcome | None
    last_status: int | None
    last_code: str | None
    last_message: str | None
    last_attempt_at: int | None
    replayed_as: str | None


class Position(NamedTuple):
    """The last row of a page of deliveries: where the next page begins."""

    wake_at: int
    id: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt of a delivery; ``number`` counts its starts."""

    delivery_id: str
    number: int
    started_at: int
    finished_at: int
    outcome: AttemptOutcome
    status: int | None
    code: str
    message: str
    worker_id: str


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A request that repeated a signed id with another body: kept, never delivered."""

    id: str
    event_id: str
    received_at: int
    headers: str
    query: str
    content_type: str
    body: bytes
    body_sha256: bytes
    trace_id: str
    secret_name: str | None


def list_events(
    db: Database,
    *,
    source: str | None = None,
    type: str | None = None,  # noqa: A002 - the word for it everywhere
    state: EventState | None = None,
    since: int | None = None,
    until: int | None = None,
    limit: int = 100,
    before_id: str | None = None,
) -> list[EventRow]:
    """Return events, the newest first. ``since`` <= time of arrival < ``until``, in milliseconds.

    Order and time are those of the ids, which are made on arrival. ``before_id``: the last id of
    the page before this one. A ``type`` has no index: one that is rare is looked for as far back
    as ``since`` says.
    """
    wanted = select(*(events.c[field.name] for field in fields(EventRow)))
    # What is stored is few, and may be old: to be read as a whole from its own index and sorted,
    # not looked for among all the others. As expressions, these columns have no other index.
    backlog = state is EventState.STORED
    by_id = events.c.id.concat("") if backlog else events.c.id
    by_source = events.c.source.concat("") if backlog else events.c.source
    if source is not None:
        wanted = wanted.where(by_source == source)
    if type is not None:
        wanted = wanted.where(events.c.type == type)
    if state is not None:
        wanted = wanted.where(events.c.state == literal_column(f"'{EventState(state)}'"))
    if since is not None:
        wanted = wanted.where(events.c.id >= first_id(since))
    if until is not None:
        wanted = wanted.where(events.c.id < first_id(until))
    if before_id is not None:
        wanted = wanted.where(events.c.id < before_id)
    with db.read() as tx:
        rows = tx.execute(wanted.order_by(by_id.desc()).limit(limit))
        return [_event_row(row) for row in rows]


def get_event(db: Database, event_id: str) -> StoredEvent:
    """Return one event, body included, by its id or a beginning that only it has.

    Raises NotFound, also for a beginning that several have or that is under 8 characters.
    """
    with db.read() as tx:
        found_id = whole_id(tx, events.c.id, event_id, "event")
        wanted = select(*EVENT_COLUMNS, *_PROGRESS).join(payloads).where(events.c.id == found_id)
        row = tx.execute(wanted).one()
    event = event_from(row)
    return StoredEvent(
        **{field.name: getattr(event, field.name) for field in fields(Event)},
        state=EventState(row.state),
        dispatched_at=row.dispatched_at,
        duplicates=row.duplicates,
        conflicts=row.conflicts,
        secret_name=row.secret_name,
    )


def list_deliveries(
    db: Database,
    *,
    event_id: str | None = None,
    state: DeliveryState | None = None,
    destination: str | None = None,
    limit: int = 1_000,
    after: Position | None = None,
) -> list[DeliveryRow]:
    """Return deliveries: those of an event in their order, or else the newest first.

    Waiting ones of all events come as they are tried: the next one first. A ``destination`` has an
    index only for those that wait or run; others are looked for among the newest of all.
    ``after``: the last row of the page before this one.
    """
    wanted = select(deliveries)
    by_wake = state is DeliveryState.WAITING and event_id is None
    # By id alone, SQLite would read the table backwards in search of the few that run.
    running = state is DeliveryState.RUNNING
    by_id = deliveries.c.id.concat("") if running else deliveries.c.id
    if event_id is not None:
        wanted = wanted.where(deliveries.c.event_id == event_id).order_by(deliveries.c.id)
    if after is not None and event_id is not None:
        wanted = wanted.where(deliveries.c.id > after.id)
    elif after is not None and not by_wake:
        wanted = wanted.where(by_id < after.id)
    if destination is not None:
        wanted = wanted.where(deliveries.c.destination == destination)
    if state is not None:
        wanted = wanted.where(is_state(DeliveryState(state)))
    with db.read() as tx:
        if by_wake:
            all_names = distinct(tx, deliveries.c.destination, WAITING)
            names = all_names if destination is None else [destination]
            ids = next_ids(tx, names, limit, after or Position(0, ""))
            wanted = wanted.where(deliveries.c.id.in_(ids))
            rows = tx.execute(wanted.order_by(deliveries.c.wake_at, deliveries.c.id))
            return [_delivery_row(row) for row in rows]
        if state in TERMINAL - {DeliveryState.SUCCEEDED}:
            wanted = wanted.where(text(GIVEN_UP))
        rows = tx.execute(wanted.order_by(by_id.desc()).limit(limit))
        return [_delivery_row(row) for row in rows]


def get_delivery(db: Database, delivery_id: str) -> DeliveryRow:
    """Return one delivery. Raises NotFound."""
    with db.read() as tx:
        row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id} (any more)")
    return _delivery_row(row)


def list_dead(
    db: Database,
    *,
    limit: int = 100,
    destination: str | None = None,
    before_id: str | None = None,
) -> list[DeliveryRow]:
    """Return deliveries that were given up and not replayed, the newest first.

    ``before_id``: the last id of the page before this one.
    """
    wanted = select(deliveries).where(DEAD).order_by(deliveries.c.id.desc()).limit(limit)
    if before_id is not None:
        wanted = wanted.where(deliveries.c.id < before_id)
    if destination is not None:
        wanted = wanted.where(deliveries.c.destination == destination)
    with db.read() as tx:
        return [_delivery_row(row) for row in tx.execute(wanted)]


def list_attempts(db: Database, delivery_id: str) -> list[AttemptRow]:
    """Return the attempts of a delivery, the first one first."""
    wanted = select(attempts).where(attempts.c.delivery_id == delivery_id)
    with db.read() as tx:
        return [_attempt_row(row) for row in tx.execute(wanted.order_by(attempts.c.number))]


def list_conflicts(db: Database, event_id: str) -> list[ConflictRow]:
    """Return what repeated an event's signed id with another body, the first one first."""
    wanted = select(duplicates).where(duplicates.c.event_id == event_id)
    with db.read() as tx:
        return [
            ConflictRow(**row._asdict()) for row in tx.execute(wanted.order_by(duplicates.c.id))
        ]


_PROGRESS = (
    events.c.state,
    events.c.dispatched_at,
    events.c.duplicates,
    events.c.conflicts,
    events.c.secret_name,
)


def whole_id(tx: Connection, column: Column[Any], prefix: str, noun: str) -> str:
    """Complete an id from its beginning. Raises NotFound where none or several begin so."""
    if len(prefix) < PREFIX_LENGTH:
        raise NotFound(f"{prefix!r} is too short: give at least {PREFIX_LENGTH} characters")
    beyond = prefix + "~"  # sorts behind every hexadecimal digit and dash
    wanted = select(column).where(column >= prefix, column < beyond).order_by(column).limit(2)
    found = list(tx.execute(wanted).scalars())
    if not found:
        raise NotFound(f"there is no {noun} {prefix} (any more)")
    if len(found) > 1 and found[0] != prefix:
        raise NotFound(f"several {noun}s begin with {prefix}: give more characters")
    return str(found[0])


def _event_row(row: AnyRow) -> EventRow:
    return EventRow(**row._asdict() | {"state": EventState(row.state)})


def _delivery_row(row: AnyRow) -> DeliveryRow:
    outcome = None if row.last_outcome is None else AttemptOutcome(row.last_outcome)
    enums = {
        "kind": DestinationKind(row.kind),
        "state": DeliveryState(row.state),
        "last_outcome": outcome,
    }
    return DeliveryRow(**row._asdict() | enums)


def _attempt_row(row: AnyRow) -> AttemptRow:
    return AttemptRow(**row._asdict() | {"outcome": AttemptOutcome(row.outcome)})
