"""Stored events become deliveries, each once."""

import pytest

from actors import dispatch as actor
from ingest import routing
from ingest.config.model import Config
from ingest.events import DeliveryState, Event, EventState, Target
from ingest.store import Database, dispatch, ledger, queries
from tests.actors.rig import Rig

HANDLERS = """
@on("github", "push", name="pushed")
def pushed(event: Event) -> None: ...

@on("github", "issues.*", where="issue.number == `7`", name="seventh", queue="slow")
def seventh(event: Event) -> None: ...
"""


def test_an_event_goes_to_everything_that_wants_it(rig: Rig) -> None:
    rig.handlers(HANDLERS)
    event_id = rig.store(type="issues.opened", body=b'{"issue": {"number": 7}}')

    (ref,) = rig.dispatch(event_id)

    row = rig.delivery(event_id)
    assert (row.id, row.destination, row.queue) == (ref.id, "seventh", "slow")
    assert row.state == DeliveryState.WAITING
    assert queries.get_event(rig.database, event_id).state == EventState.DISPATCHED


def test_a_second_run_changes_nothing(rig: Rig) -> None:
    rig.handlers(HANDLERS)
    event_id = rig.store()

    assert len(rig.dispatch(event_id)) == 1
    assert rig.dispatch(event_id) == []
    assert len(rig.deliveries(event_id)) == 1


def test_an_event_that_nobody_wants_is_unmatched(rig: Rig) -> None:
    rig.handlers(HANDLERS)
    event_id = rig.store(type="star.created")

    assert rig.dispatch(event_id) == []
    assert queries.get_event(rig.database, event_id).state == EventState.UNMATCHED
    assert not any(ledger.violations(rig.database).values())


def test_a_body_that_is_not_json_does_not_match_a_predicate(rig: Rig) -> None:
    rig.handlers(HANDLERS)
    event_id = rig.store(type="issues.opened", body=b"\xff not json")

    assert rig.dispatch(event_id) == []


def test_an_event_that_cannot_be_routed_does_not_take_its_batch_along(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours, simulated: routing itself promises never to raise."""
    rig.handlers(HANDLERS)
    good, bad, also_good = (rig.store() for _ in range(3))
    match = routing.match

    def faulty(config: Config, handlers: object, event: Event) -> tuple[Target, ...]:
        if event.id == bad:
            raise RuntimeError("a fault of ours")
        return match(config, handlers, event)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(routing, "match", faulty)

    assert len(rig.dispatch(good, bad, also_good)) == 2
    assert queries.get_event(rig.database, bad).state == EventState.STORED


def test_a_batch_that_cannot_be_written_is_written_one_by_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a fault of ours: one plan that the database rejects."""
    rig.handlers(HANDLERS)
    good, bad = rig.store(), rig.store()
    write = dispatch.dispatch

    def picky(database: Database, plans: list[actor.Plan]) -> object:
        if any(event.id == bad for event, _ in plans):
            raise RuntimeError("rejected")
        return write(database, plans)

    monkeypatch.setattr(dispatch, "dispatch", picky)

    assert len(rig.dispatch(good, bad)) == 1
    assert queries.get_event(rig.database, bad).state == EventState.STORED
