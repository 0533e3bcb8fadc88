"""A claim whose answer was lost is undone: else its deliveries would run for ever, untouched.

Found by restarting PostgreSQL under load: the commit of a claim had happened, the connection broke
before anybody knew, and the deliveries stayed running under a live worker that ignored them.
"""

from collections.abc import Mapping, Sequence

import pytest

from actors.middleware.holding import Holding
from ingest.errors import StoreUnavailable
from ingest.events import Claimed, DeliveryState
from ingest.queue import publish_deliveries
from ingest.store import Database, claims, ledger
from tests.actors.rig import Rig

HANDLER = """
@on("github", name="work")
def work(event: Event) -> None:
    note("work", event)
"""


def test_a_claim_that_was_committed_and_not_confirmed_is_worked_on_soon(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lost answer is played; tests/store breaks a real connection in the commit."""
    rig.handlers(HANDLER)
    event_id = rig.store()
    refs = rig.dispatch(event_id)
    genuine = claims.claim
    lost: list[Claimed] = []

    def claim(
        db: Database, worker_id: str, ids: Sequence[str], caps: Mapping[str, int]
    ) -> list[Claimed]:
        claimed = genuine(db, worker_id, ids, caps)
        if claimed and not lost:
            lost.extend(claimed)
            raise StoreUnavailable("the connection broke, in the commit or after it")
        return claimed

    monkeypatch.setattr(claims, "claim", claim)
    with rig.worker() as broker:
        publish_deliveries(broker, refs)
        rig.wait_for(event_id, DeliveryState.SUCCEEDED, timeout=4)

    assert lost
    assert len(rig.notes("work")) == 1
    assert len(rig.attempts(event_id)) == 1
    assert not any(ledger.violations(rig.database).values())


def test_what_one_thread_holds_no_other_takes() -> None:
    holding = Holding()

    assert holding.take(["a", "b", "a"]) == ["a", "b"]
    assert holding.take(["b", "c"]) == ["c"]
    holding.drop(["a", "b"])
    assert holding.take(["a", "b", "c"]) == ["a", "b"]
