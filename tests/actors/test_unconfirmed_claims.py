"""A claim whose answer was lost is undone: else its deliveries would run for ever, untouched.

Found by restarting PostgreSQL under load: the commit of a claim had happened, the connection broke
before anybody knew, and the deliveries stayed running under a live worker that ignored them.
"""

from collections.abc import Mapping, Sequence

import pytest

from actors.middleware import job_claims as middleware
from actors.middleware.holding import Holding
from actors.publishing import wake_jobs
from ingest.errors import StoreUnavailable
from ingest.events import Claimed, DeliveryState
from ingest.jobs.states import ClaimedJob, JobRef, JobState
from ingest.queue import WakeBroker, publish_deliveries
from ingest.store import Database, claims, job_claims, ledger
from tests.actors.job_rig import JobRig
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


def test_a_job_whose_claim_was_not_confirmed_is_free_before_a_thread_is_woken_for_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or that thread would find it held, drop the message, and nobody would come for seconds."""
    rigged, made = JobRig(rig), list[Holding]()
    rigged.write('@job()\ndef work(context): note("work")\n')
    genuine = job_claims.claim
    lost: list[ClaimedJob] = []
    woken: list[str] = []
    held: list[str] = []

    class Seen(Holding):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    def claim(
        db: Database, worker_id: str, ids: Sequence[str], caps: Mapping[str, int]
    ) -> list[ClaimedJob]:
        claimed = genuine(db, worker_id, ids, caps)
        if claimed and not lost:
            lost.extend(claimed)
            raise StoreUnavailable("the connection broke, in the commit or after it")
        return claimed

    def wake(broker: WakeBroker, refs: Sequence[JobRef]) -> None:
        ids = [ref.id for ref in refs]
        woken.extend(ids)
        held.extend(id_ for id_ in ids if any(id_ in one._ids for one in made))
        wake_jobs(broker, refs)

    monkeypatch.setattr(middleware, "Holding", Seen)
    monkeypatch.setattr(middleware, "wake_jobs", wake)
    monkeypatch.setattr(job_claims, "claim", claim)
    with rig.worker() as broker:
        job_id = rigged.run(broker, "work")
        row = rigged.wait_for(job_id, JobState.SUCCESS, timeout=4)

    assert woken == [job_id]
    assert held == []
    assert (row.starts, len(rigged.notes("work"))) == (1, 1)


def test_what_one_thread_holds_no_other_takes() -> None:
    holding = Holding()

    assert holding.take(["a", "b", "a"]) == ["a", "b"]
    assert holding.take(["b", "c"]) == ["c"]
    holding.drop(["a", "b"])
    assert holding.take(["a", "b", "c"]) == ["a", "b"]
