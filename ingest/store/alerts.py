"""Alerts as they stand, and what the database knows that may be wrong.

A change and the event that tells of it are one transaction, so any number of schedulers may look:
the second one finds it told.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ingest.alerts import AlertName, AlertState, Seen, Standing, decide
from ingest.event_view import OWN_SOURCE
from ingest.events import Arrival, DeliveryState
from ingest.store.accept import accept_in
from ingest.store.database import Database
from ingest.store.delivery_rows import DEAD, WAITING, is_state
from ingest.store.dialect import insert, lock_names, now
from ingest.store.distinct import distinct
from ingest.store.ids import first_id
from ingest.store.job_schema import alerts
from ingest.store.schema import deliveries, events

#: Dead letters that one look reads at most, the newest ones. No index has them by
#: the time at which they were given up: where so many newer ones were, an older one is not told.
_DEAD_LOOKED_AT = 100_000
#: The newest deliveries, among which a success is looked for first: replays, too.
_NEWEST_LOOKED_AT = 20_000
#: How far back a success is looked for among the events that were received (ms).
_LOOKED_BACK_MS = 86_400_000
#: Waiting deliveries of one destination that are looked at, those that are tried next.
_WAITING_LOOKED_AT = 1_000

#: Makes the event of a change: what stands now, what is told, and the time.
MakeEvent = Callable[[Standing, AlertState, int], Arrival]


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that was looked at: wrong as ``seen``, or (None) not wrong any more."""

    name: AlertName
    subject: str
    seen: Seen | None


def firing(db: Database) -> dict[tuple[AlertName, str], int]:
    """The names and subjects of the alerts that fire, and how long ago (ms) each was told."""
    wanted = select(alerts.c.name, alerts.c.subject, alerts.c.since, alerts.c.last_event_at)
    wanted = wanted.where(alerts.c.state == AlertState.FIRING)
    with db.read() as tx:
        moment = now(tx)
        return {
            (AlertName(row.name), row.subject): moment - (row.last_event_at or row.since)
            for row in tx.execute(wanted)
        }


def note(db: Database, change: Change, cooldown_ms: int, make: MakeEvent) -> str | None:
    """Remember how an alert stands, and store the event that tells of it; return its id, if any."""
    with db.write() as tx:
        lock_names(tx, [f"alert {change.name} {change.subject}"])
        before = _standing(tx, change)
        moment = now(tx)
        after, told = decide(before, change.seen, moment, cooldown_ms)
        if after is not None and after != before:
            _write(tx, change, after)
        if after is None or told is None:
            return None
        event = make(after, told, moment)
        accept_in(tx, [event])
        return event.event_id


def dead_letters(db: Database, window_ms: int) -> list[Seen]:
    """Count what was given up within the window and not replayed, by destination.

    Not the alerts themselves: one that cannot be told must not lead to another.
    """
    newest = select(deliveries.c.destination, deliveries.c.event_id, deliveries.c.finished_at)
    newest = newest.where(DEAD).order_by(deliveries.c.id.desc()).limit(_DEAD_LOOKED_AT)
    given_up = newest.subquery()
    with db.read() as tx:
        rows = tx.execute(
            select(given_up.c.destination, func.count().label("total"))
            .join(events, events.c.id == given_up.c.event_id)
            .where(given_up.c.finished_at >= now(tx) - window_ms, events.c.source != OWN_SOURCE)
            .group_by(given_up.c.destination)
        )
        return [Seen(AlertName.DEAD_LETTER, row.destination, row.total) for row in rows]


def failing(db: Database, after_ms: int) -> list[Seen]:
    """Find destinations where something has failed for so long and nothing has succeeded since."""
    with db.read() as tx:
        moment = now(tx)
        names = sorted(distinct(tx, deliveries.c.destination, WAITING))
        suspects = [found for name in names if (found := _retried(tx, name, moment, after_ms))]
        well = _well(tx, suspects, moment, after_ms) if suspects else set()
        return [one for one in suspects if one.subject not in well]


def _retried(tx: Connection, name: str, moment: int, after_ms: int) -> Seen | None:
    next_ones = (
        select(deliveries.c.attempts, deliveries.c.created_at, deliveries.c.event_id)
        .where(WAITING, deliveries.c.destination == name)
        .order_by(deliveries.c.wake_at)
        .limit(_WAITING_LOOKED_AT)
        .subquery()
    )
    row = tx.execute(
        select(func.count().label("total"), func.min(next_ones.c.created_at).label("oldest"))
        .join_from(next_ones, events, events.c.id == next_ones.c.event_id)
        .where(next_ones.c.attempts > 0, events.c.source != OWN_SOURCE)
    ).one()
    if not row.total or moment - row.oldest < after_ms:
        return None
    return Seen(AlertName.DESTINATION_FAILING, name, row.total, moment - row.oldest)


def _well(tx: Connection, suspects: list[Seen], moment: int, after_ms: int) -> set[str]:
    """Return those that have taken something in the last ``after_ms``.

    No index has successes by their time. So they are looked for among the newest deliveries, and
    then among the events received since the oldest delivery that a suspect has not taken, in
    stretches that double: their index has the destination, so only rows of suspects are read. One
    that takes anything is soon found; for one that does not, each event since then is passed once.
    """
    suspected = {one.subject for one in suspects}
    well = suspected & _newest_well(tx, moment - after_ms)
    longest = max(one.lasted_ms or 0 for one in suspects)
    reached, step = moment, after_ms
    while well != suspected and moment - reached < min(longest, _LOOKED_BACK_MS):
        before, reached, step = reached, reached - step, step * 2
        recent = (
            is_state(DeliveryState.SUCCEEDED),
            deliveries.c.last_attempt_at >= moment - after_ms,
        )
        received = (
            deliveries.c.event_id >= first_id(reached),
            deliveries.c.event_id < first_id(before),
        )
        for name in sorted(suspected - well):
            own = select(deliveries.c.id).where(deliveries.c.destination == name)
            if tx.execute(own.where(*received, *recent).limit(1)).first() is not None:
                well.add(name)
    return well


def _newest_well(tx: Connection, since: int) -> set[str]:
    newest = select(deliveries.c.destination, deliveries.c.state, deliveries.c.last_attempt_at)
    rows = newest.order_by(deliveries.c.id.desc()).limit(_NEWEST_LOOKED_AT).subquery()
    wanted = select(rows.c.destination).distinct()
    succeeded = rows.c.state == DeliveryState.SUCCEEDED
    return set(tx.execute(wanted.where(succeeded, rows.c.last_attempt_at >= since)).scalars())


def _standing(tx: Connection, change: Change) -> Standing | None:
    columns = (alerts.c.state, alerts.c.since, alerts.c.last_event_at, alerts.c["count"])
    wanted = select(*columns).where(
        alerts.c.name == change.name, alerts.c.subject == change.subject
    )
    found = tx.execute(wanted).first()
    if found is None:
        return None
    state, since, last_event_at, count = found
    return Standing(AlertState(state), since, last_event_at, count)


def _write(tx: Connection, change: Change, standing: Standing) -> None:
    lasted = change.seen.lasted_ms if change.seen else None
    values = {
        "state": standing.state,
        "since": standing.since,
        "last_event_at": standing.last_event_at,
        "count": standing.count,
        "value": None if lasted is None else float(lasted),
    }
    row = insert(tx, alerts).values(name=change.name, subject=change.subject, **values)
    tx.execute(row.on_conflict_do_update(index_elements=["name", "subject"], set_=values))
