"""Telling people, with a real worker: what arrives, together or one by one, and what does not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from actors import compose
from actors.batch import UNFINISHED
from actors.notify import notify_batch
from ingest.events import AttemptOutcome, Claimed, DeliveryState, DestinationKind
from ingest.store import ledger
from ingest.store.schema import deliveries
from tests.actors.making import Unrecorded, claimed
from tests.actors.rig import Rig, publish_stored
from tests.services.mail import MailServer, make_certificate
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until

OK = Answer(body=b"ok")
LOCAL = 'allow = ["127.0.0.0/8"]\n'
ROUTE = '[[routes]]\nsource = "github"\nto = ["chat"]\n'


@pytest.fixture
def webhook(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Sink:
    """The sink as a Slack webhook, whose URL is a secret."""
    monkeypatch.setenv("CHAT_URL", sink.url("/chat"))
    sink.script("/chat", OK)
    return sink


def chat(more: str = "") -> str:
    return f'[destinations.chat]\nkind = "slack"\nurl = "env:CHAT_URL"\n{LOCAL}{more}'


def texts(sink: Sink) -> list[str]:
    return [json.loads(request.body)["text"] for request in sink.requests("/chat")]


def test_an_event_becomes_a_message(rig: Rig, webhook: Sink) -> None:
    rig.config(chat('text = "{{ event.json.title }}!"\n') + ROUTE)
    event_id = rig.store(body=b'{"title": "Hello"}')

    with rig.worker() as broker:
        publish_stored(broker, event_id)
        delivery = rig.wait_for(event_id, DeliveryState.SUCCEEDED)

    assert texts(webhook) == ["Hello!"]
    assert (delivery.kind, delivery.queue) == (DestinationKind.SLACK, "notify")


def test_a_template_that_fails_is_said_and_tried_again(rig: Rig, webhook: Sink) -> None:
    """Somebody may repair it: the event is kept for that, and shows what was wrong."""
    rig.config(chat('text = "{{ event.json.title }}"\n') + ROUTE)
    event_id = rig.store(body=b"{}")

    with rig.worker() as broker:
        publish_stored(broker, event_id)
        rig.wait_for(event_id, DeliveryState.WAITING)
        wait_until(lambda: bool(rig.attempts(event_id)), describe="the first attempt")

    (attempt,) = rig.attempts(event_id)[:1]
    assert (attempt.outcome, attempt.code) == (AttemptOutcome.RETRYABLE, "template_failed")
    assert "line 1: 'dict object' has no attribute 'title'" in attempt.message
    assert webhook.requests() == []


def test_a_digest_is_one_message_with_a_count(rig: Rig, webhook: Sink) -> None:
    rig.config(chat('digest = "15m"\ntext = "{{ count }} and {{ events | length }}"\n') + ROUTE)
    events = [rig.store() for _ in range(150)]
    rig.dispatch(*events)
    with rig.database.write() as tx:
        tx.execute(update(deliveries).values(due_at=1, wake_at=1))  # the window is over

    scheduler = rig.start("actors.scheduler")
    with rig.worker():
        for event_id in events:
            rig.wait_for(event_id, DeliveryState.SUCCEEDED)
    scheduler.terminate()

    assert texts(webhook) == ["150 and 20"]
    assert set(ledger.violations(rig.database).values()) == {0}


def test_a_suspect_tells_in_a_process_of_its_own(sqlite_rig: Rig, webhook: Sink) -> None:
    sqlite_rig.config(chat() + ROUTE)
    event_id = sqlite_rig.store()
    sqlite_rig.dispatch(event_id)
    with sqlite_rig.database.write() as tx:
        tx.execute(update(deliveries).values(crashes=1, starts=1, wake_at=1, due_at=1))
    worker = sqlite_rig.dramatiq(threads=1)
    sqlite_rig.start("actors.scheduler")

    sqlite_rig.wait_for(event_id, DeliveryState.SUCCEEDED, timeout=40)

    assert len(texts(webhook)) == 1
    assert worker.poll() is None


def test_an_event_becomes_a_mail(rig: Rig, tmp_path: Path) -> None:
    server = MailServer(make_certificate(tmp_path), starttls=False)
    rig.config(
        f'[destinations.chat]\nkind = "email"\nurl = "smtp://127.0.0.1:{server.port}"\n'
        'starttls = false\nfrom = "hooks@example.com"\nto = ["ops@example.com"]\n' + ROUTE
    )
    event_id = rig.store()
    try:
        with rig.worker() as broker:
            publish_stored(broker, event_id)
            rig.wait_for(event_id, DeliveryState.SUCCEEDED)
    finally:
        server.close()

    assert server.box.read()["X-Hookkeeper-Event"] == event_id
    assert rig.attempts(event_id)[0].status == 250


# -- without a broker -----------------------------------------------------------------------


def notification(crashes: int = 0, destination: str = "chat") -> Claimed:
    made = claimed(destination, crashes=crashes)
    return replace(made, kind=DestinationKind.SLACK, queue="notify")


def test_a_destination_that_is_gone_from_the_file_is_tried_again(sqlite_rig: Rig) -> None:
    sqlite_rig.config("")
    batch = Unrecorded([notification(destination="gone")])
    with sqlite_rig.runtime() as runtime:
        notify_batch(runtime, batch)

    (outcome,) = batch.outcomes(UNFINISHED)
    assert (outcome.result.outcome, outcome.result.code) == (
        AttemptOutcome.RETRYABLE,
        "unknown_destination",
    )


def test_a_process_that_stops_begins_nothing_new(sqlite_rig: Rig) -> None:
    sqlite_rig.config("")
    batch = Unrecorded([notification()])
    with sqlite_rig.runtime() as runtime:
        runtime.stopping.set()
        notify_batch(runtime, batch)

    assert batch.untouched() == list(batch.claimed)


def test_a_batch_that_takes_long_is_shared(
    sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.notify.SHARE_SECONDS", 0)
    sqlite_rig.config("")
    batch = Unrecorded([notification(), notification()])
    with sqlite_rig.runtime() as runtime:
        notify_batch(runtime, batch)

    assert batch.untouched() == list(batch.claimed)


def test_the_worker_knows_the_actor(sqlite_rig: Rig) -> None:
    sqlite_rig.config("")
    broker = compose(sqlite_rig.settings())

    assert broker.get_actor("notify").queue_name == "notify"
