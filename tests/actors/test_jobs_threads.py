"""Jobs share a worker's threads: with each other, and with events that must not wait for them."""

import threading

import pytest

from actors.middleware.bulkhead import JobBulkhead
from ingest.events import DeliveryState
from ingest.jobs.states import JobRef, JobState
from ingest.jobs.workflow import Call
from ingest.queue import build_broker, publish_events
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until

DESTINATIONS = """
[destinations.billing]
url = "{url}/billing"
allow = ["127.0.0.0/8"]
[destinations.chat]
kind = "slack"
url = "env:CHAT_URL"
allow = ["127.0.0.0/8"]
[[routes]]
source = "other"
to = ["billing", "chat"]
"""


def refs(kind: str, *numbers: int) -> list[JobRef]:
    return [JobRef(f"{kind}-{number}", kind, "jobs") for number in numbers]


def ids(found: list[JobRef]) -> list[str]:
    return [ref.id for ref in found]


def test_no_long_sync_job_holds_up_events_however_many_kinds_there_are(
    rig: Rig, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four kinds, each within its share of the threads, and four threads. One has a queue alone."""
    monkeypatch.setenv("CHAT_URL", sink.url("/chat"))
    sink.script("/chat", Answer(body=b"ok"))
    rigged = JobRig(rig)
    rigged.write("""
def blocks(context): note("began", context.kind); wait((HERE / "end").exists)
@job(name="first")
def first(context): blocks(context)
@job(name="second")
def second(context): blocks(context)
@job(name="third")
def third(context): blocks(context)
@job(name="fourth", queue="heavy")
def fourth(context): blocks(context)
@on("other", name="quick")
def quick(event): note("quick", "x")
""")
    rig.config(DESTINATIONS.format(url=sink.url()))
    rig.dramatiq(threads=4)
    broker = build_broker(rig.environ["HOOKKEEPER_BROKER_URL"], [])
    kinds = ("first", "second", "third", "fourth")
    made = [rigged.make(Call(kind), broker=broker)[0] for _ in range(3) for kind in kinds]
    wait_until(lambda: len(rigged.notes("began")) == 2, describe="half of the threads to be taken")

    event_id = rig.store(source="other")
    publish_events(broker, [event_id])
    wait_until(
        lambda: [row.state for row in rig.deliveries(event_id)] == [DeliveryState.SUCCEEDED] * 3,
        timeout=5,
        describe="dispatch, process, deliver and notify",
    )

    assert len(rigged.notes("began")) == 2, "of two kinds: a quarter each"
    assert len(set(rigged.notes("began"))) == 2
    (rig.folder / "end").touch()
    for job_id in made:  # without a scheduler: what was parked comes back
        rigged.wait_for(job_id, JobState.SUCCESS)
    broker.client.connection_pool.disconnect()


def test_a_kind_has_a_quarter_of_the_threads_and_all_kinds_together_half() -> None:
    bulkhead = JobBulkhead(threads=8, patience_seconds=0)

    entered = [(kind, bulkhead.enter(kind, refs(kind, 1))) for kind in ("a", "a", "a", "b", "c")]

    assert entered == [("a", True), ("a", True), ("a", False), ("b", True), ("c", True)]
    assert not bulkhead.enter("d", refs("d", 1))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_jobs_run_in_the_smallest_worker_too(threads: int) -> None:
    bulkhead = JobBulkhead(threads, patience_seconds=0)

    assert bulkhead.enter("a", refs("a", 1))
    assert not bulkhead.enter("b", refs("b", 1))


def test_as_many_come_back_as_can_start_and_kinds_that_have_nothing_first() -> None:
    bulkhead = JobBulkhead(threads=8, patience_seconds=0)
    for kind in ("a", "a", "b", "b"):
        bulkhead.enter(kind, refs(kind, 0))
    for kind in ("a", "c"):
        for number in range(1, 4):
            assert not bulkhead.enter(kind, refs(kind, number))

    assert ids(bulkhead.leave("a")) == ["c-1"]
    assert ids(bulkhead.leave("b")) == ["c-2", "c-3"], "c-1 has not come back: it may be elsewhere"
    assert ids(bulkhead.leave("b")) == ["a-1"]
    assert ids(bulkhead.leave("a")) == ["a-2", "a-3"]


def test_the_last_job_to_leave_leaves_nothing_parked() -> None:
    bulkhead = JobBulkhead(threads=4, patience_seconds=0)
    bulkhead.enter("a", refs("a", 0))
    bulkhead.enter("b", refs("b", 0))
    for kind in ("a", "b", "c"):
        assert not bulkhead.enter(kind, refs(kind, *range(1, 40)))

    released = [*bulkhead.leave("a"), *bulkhead.leave("b")]

    assert len(set(ids(released))) == 3 * 39


def test_threads_that_wait_for_a_kind_count_as_held() -> None:
    """Or quick jobs, which are waited for, would take the other half of the threads, too."""
    bulkhead = JobBulkhead(threads=8, patience_seconds=10)
    for _ in range(2):
        bulkhead.enter("a", refs("a", 0))
    entered: list[bool] = []
    waiting = [
        threading.Thread(target=lambda: entered.append(bulkhead.enter("a", refs("a", 1))))
        for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
    wait_until(lambda: bulkhead._waiting == 2)

    assert not bulkhead.enter("a", refs("a", 2)), "at once: two run and two wait, of eight"

    for _ in range(2):
        bulkhead.leave("a")
    for thread in waiting:
        thread.join()
    assert entered == [True, True]
