"""What the database knows that people should know, and that each change is told once."""

import threading

import pytest
from sqlalchemy import update

from ingest.alerts import AlertName, AlertState, Seen, Standing
from ingest.event_view import OWN_SOURCE
from ingest.events import Accepted, Arrival, DeliveryState, DestinationKind, Target
from ingest.store import Database, alerts, queries
from ingest.store.accept import accept
from ingest.store.dispatch import dispatch, undispatched
from ingest.store.schema import deliveries
from tests.actors.rig import arrival
from tests.store import making

MINUTE = 60_000
HOUR = 60 * MINUTE
SEEN = Seen(AlertName.DEAD_LETTER, "billing", 3)
FIRING = alerts.Change(AlertName.DEAD_LETTER, "billing", SEEN)
OVER = alerts.Change(AlertName.DEAD_LETTER, "billing", None)


def deliver(database: Database, source: str = "github", destination: str = "billing") -> str:
    """Store an event with a delivery; return the delivery."""
    (answer,) = accept(database, [arrival(source, "push", b"{}")])
    assert isinstance(answer, Accepted)
    event = undispatched(database, [answer.event_id])[0]
    target = Target(destination, DestinationKind.HTTP, "deliver")
    (ref,) = dispatch(database, [(event, (target,))])
    return ref.id


def change(database: Database, delivery_id: str, **values: object) -> None:
    with database.write() as tx:
        tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))


def now(database: Database) -> int:
    with database.read() as tx:
        return database.now(tx)


def die(database: Database, delivery_id: str, ago: int = 0) -> None:
    at = now(database) - ago
    change(database, delivery_id, state=DeliveryState.DEAD, wake_at=None, finished_at=at)


def event(_standing: Standing, told: AlertState, at: int) -> Arrival:
    made = arrival(OWN_SOURCE, f"alert.{told}", b"{}")
    return made._replace(received_at=at)


def told(database: Database) -> list[str]:
    found = queries.list_events(database, source=OWN_SOURCE)
    return [row.type for row in reversed(found)]


def test_what_was_given_up_lately_is_counted_by_destination(database: Database) -> None:
    for source, destination, ago in (
        *(("github", "billing", 0), ("github", "billing", MINUTE), ("other", "crm", 0)),
        *(("github", "billing", HOUR), (OWN_SOURCE, "billing", 0)),
    ):
        die(database, deliver(database, source, destination), ago)
    replayed = deliver(database)
    die(database, replayed)
    change(database, replayed, replayed_as="another")

    found = {one.subject: one.count for one in alerts.dead_letters(database, 10 * MINUTE)}

    assert found == {"billing": 2, "crm": 1}


def test_a_destination_that_takes_nothing_for_long_is_failing(database: Database) -> None:
    tried = deliver(database)
    deliver(database)  # only waits its turn
    change(database, tried, attempts=3, starts=3, created_at=now(database) - HOUR)

    (found,) = alerts.failing(database, 10 * MINUTE)

    assert (found.subject, found.count) == ("billing", 1)
    assert found.lasted_ms is not None
    assert HOUR <= found.lasted_ms < HOUR + MINUTE


@pytest.mark.parametrize("source", ["github", OWN_SOURCE])
def test_one_bad_event_or_an_untold_alert_is_no_failing_destination(
    database: Database, source: str
) -> None:
    tried = deliver(database, source)
    change(database, tried, attempts=3, starts=3, created_at=now(database) - HOUR)
    if source != OWN_SOURCE:
        well = deliver(database)
        at = now(database)
        values = {"state": DeliveryState.SUCCEEDED, "wake_at": None, "finished_at": at}
        change(database, well, last_attempt_at=at, **values)

    assert alerts.failing(database, 10 * MINUTE) == []


@pytest.mark.parametrize("ago", [5 * MINUTE, 2 * HOUR])
def test_a_quiet_destination_of_a_busy_pipeline_is_not_failing(
    database: Database, monkeypatch: pytest.MonkeyPatch, ago: int
) -> None:
    """Its success of an hour's event is not among the newest deliveries: others make thousands."""
    monkeypatch.setattr(alerts, "_NEWEST_LOOKED_AT", 2)
    at = now(database)
    first = making.arrival(received_at=at - ago)
    making.accepted(database, first)
    (event_,) = undispatched(database, [first.event_id])
    (well,) = dispatch(database, [(event_, (making.target("billing"),))])
    done = {"state": DeliveryState.SUCCEEDED, "wake_at": None, "finished_at": at}
    change(database, well.id, last_attempt_at=at, **done)
    tried = deliver(database)
    change(database, tried, attempts=3, starts=3, created_at=at - 3 * HOUR)
    for _ in range(3):
        deliver(database, destination="crm")
    assert alerts.failing(database, 10 * MINUTE) == []

    change(database, well.id, last_attempt_at=at - 20 * MINUTE)
    (found,) = alerts.failing(database, 10 * MINUTE)
    assert found.subject == "billing", "a success of long ago is none"


def test_one_destination_does_not_hide_what_another_gives_up(
    database: Database,
) -> None:
    die(database, deliver(database, destination="crm"))
    with database.write() as tx:
        columns = [one.name for one in deliveries.columns if one.name not in ("id", "event_id")]
        found = tx.execute(deliveries.select()).one()
        copies = [
            {"id": making.new_id(), "event_id": found.event_id}
            | {name: getattr(found, name) for name in columns}
            | {"destination": "billing", "generation": number}
            for number in range(11_000)
        ]
        tx.execute(deliveries.insert(), copies)

    seen = {one.subject: one.count for one in alerts.dead_letters(database, 10 * MINUTE)}

    assert seen == {"billing": 11_000, "crm": 1}


def test_a_failure_of_a_moment_is_none(database: Database) -> None:
    change(database, deliver(database), attempts=1, starts=1)

    assert alerts.failing(database, 10 * MINUTE) == []


def test_each_change_is_one_event_however_often_one_looks(database: Database) -> None:
    ids = [alerts.note(database, one, HOUR, event) for one in (FIRING, FIRING, OVER, OVER)]

    assert [id_ is not None for id_ in ids] == [True, False, True, False]
    assert told(database) == ["alert.firing", "alert.resolved"]


def test_what_fires_is_known_until_it_is_over(database: Database) -> None:
    alerts.note(database, FIRING, HOUR, event)
    assert alerts.firing(database).keys() == {(AlertName.DEAD_LETTER, "billing")}

    alerts.note(database, OVER, HOUR, event)
    assert alerts.firing(database) == {}


def test_many_schedulers_tell_it_once(database: Database) -> None:
    threads = [
        threading.Thread(target=alerts.note, args=(database, FIRING, HOUR, event)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told(database) == ["alert.firing"]


def test_what_cannot_be_stored_is_not_remembered_as_told(database: Database) -> None:
    """Both or neither: the next look tells it."""

    def broken(_standing: Standing, _told: AlertState, _at: int) -> Arrival:
        raise RuntimeError("no event")

    with pytest.raises(RuntimeError):
        alerts.note(database, FIRING, HOUR, broken)

    assert alerts.firing(database) == {}
    assert alerts.note(database, FIRING, HOUR, event) is not None
