"""Deliveries from where the last export ended: each comes once, with what became of it."""

from pathlib import Path

import pytest

from ingest.events import DeliveryState
from ingest.export import exporting
from ingest.export.exporting import LAST, Outcome, nothing_new, run
from ingest.export.formats import Format
from ingest.export.manifest import Request
from ingest.export.places import LocalPlace
from ingest.filters import Dataset, Filter
from ingest.store import Database
from tests.export import reading
from tests.store import making
from tests.store.making import DAY_MS, now_ms

ALL = Filter()
HOUR_MS = DAY_MS // 24
ENDED = "finished_at = :now, wake_at = NULL, last_message = 'it was refused'"


def made(database: Database, ages_ms: list[int], destination: str = "billing") -> list[str]:
    """Deliveries so long ago, which wait for another try; their ids."""
    ids = []
    for age in ages_ms:
        at = now_ms() - age
        (ref,) = making.dispatched(database, destination, received_at=at)
        ids.append(making.new_id(at))
        change = "UPDATE deliveries SET id = :new, created_at = :at WHERE id = :old"
        making.execute(database, change, new=ids[-1], at=at, old=ref.id)
    return ids


def end(database: Database, *ids: str, state: DeliveryState = DeliveryState.SUCCEEDED) -> None:
    for id_ in ids:
        change = f"UPDATE deliveries SET state = :state, {ENDED} WHERE id = :id"
        making.execute(database, change, state=state.value, now=now_ms(), id=id_)


def asked(wanted: Filter) -> Request:
    return Request(Dataset.DELIVERIES, Format.PARQUET, wanted, since=LAST)


def export(database: Database, place: Path, wanted: Filter = ALL) -> Outcome:
    return run(database, LocalPlace(place), asked(wanted), reading.nothing)


def is_nothing_new(database: Database, place: Path) -> bool:
    return nothing_new(database, LocalPlace(place), asked(ALL), now_ms())


def exported(place: Path) -> dict[str, str]:
    """The state of each exported delivery, as often as it is there."""
    rows = reading.ask(f"SELECT id, state FROM {reading.parquet(place, 'deliveries')}")
    assert len(rows) == len(dict(rows)), "one is there twice"
    return dict(rows)


def test_one_that_is_retried_comes_with_its_end(database: Database, place: Path) -> None:
    first, second, third = made(database, [5 * HOUR_MS, 4 * HOUR_MS, 3 * HOUR_MS])
    end(database, first, third)
    export(database, place)
    assert exported(place) == {first: "succeeded"}
    assert is_nothing_new(database, place), "it waits for the second"

    end(database, second, state=DeliveryState.DEAD)
    assert not is_nothing_new(database, place)
    export(database, place)
    assert exported(place) == {first: "succeeded", second: "dead", third: "succeeded"}


def test_what_waits_is_waited_for_a_week_at_most(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paused destination must not hold up the archive for ever: then it is there as it is."""
    old, young, ended = made(database, [8 * DAY_MS, 6 * DAY_MS, DAY_MS])
    end(database, ended)
    export(database, place)
    assert exported(place) == {old: "waiting"}

    monkeypatch.setattr(exporting, "PATIENCE_MS", 5 * DAY_MS)  # two days later
    export(database, place)
    assert exported(place) == {old: "waiting", young: "waiting", ended: "succeeded"}


def test_an_export_that_has_to_wait_can_be_asked_for_again(database: Database, place: Path) -> None:
    """By a cron of the user's own: it succeeds, and writes nothing."""
    first, _waiting = made(database, [2 * HOUR_MS, HOUR_MS])
    end(database, first)
    assert export(database, place).manifest.rows == 1
    outcomes = [export(database, place) for _ in range(2)]
    assert [outcome.manifest.rows for outcome in outcomes] == [0, 0]
    assert outcomes[1].was_finished


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(destination="other"), 1),
        (Filter(destination="billing"), 1),
        (Filter(state="dead"), 1),
        (Filter(state="waiting"), 1),
        (ALL, 2),
    ],
    ids=["its other one", "its own", "a final state", "a state that is none", "all"],
)
def test_only_those_that_could_be_wanted_are_waited_for(
    database: Database, place: Path, wanted: Filter, found: int
) -> None:
    """In the order of time: one dead, one of another destination, one that waits, one more dead."""
    dead, _, last = made(database, [4 * HOUR_MS, 2 * HOUR_MS, HOUR_MS])
    (other,) = made(database, [3 * HOUR_MS], "other")
    end(database, dead, last, state=DeliveryState.DEAD)
    end(database, other)
    assert export(database, place, wanted).manifest.rows == found


def test_a_range_that_was_named_is_exported_as_it_is(database: Database, place: Path) -> None:
    waiting, ended = made(database, [2 * HOUR_MS, HOUR_MS])
    end(database, ended)
    request = Request(Dataset.DELIVERIES, Format.PARQUET, Filter(), since="1d")
    run(database, LocalPlace(place), request, reading.nothing)
    assert exported(place) == {waiting: "waiting", ended: "succeeded"}
