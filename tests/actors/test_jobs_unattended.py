"""A worker is killed while nobody looks after it: whoever comes later finds everything."""

import os
import signal
import subprocess
from email.message import EmailMessage

import pytest

from ingest.events import AttemptOutcome, DeliveryState
from ingest.jobs.states import JobState
from ingest.jobs.workflow import chain
from ingest.queue import WakeBroker, build_broker, publish_deliveries
from ingest.store import ledger, wake
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.services.mail import MailServer
from tests.services.sink import Answer, Sink
from tests.store.making import execute
from tests.waiting import wait_until

CODE = """
@job()
def copies(context):
    note("from", context.earlier.done or 0)
    context.progress(7)
    wait(lambda: context.attempt > 1)
    return context.attempt
@job()
def follows(context): return context.results
@on("other", name="works")
def works(event):
    note("works", event.id)
    wait(lambda: len((HERE / "works").read_bytes().splitlines()) > 1)
"""
CHAT = """
[destinations.chat]
kind = "slack"
url = "env:CHAT_URL"
allow = ["127.0.0.0/8"]
digest = "15m"
text = "{{ count }}: {% for event in events %}{{ event.id }} {% endfor %}"
[[routes]]
source = "github"
to = ["chat"]
"""
MAIL = """
[destinations.oncall]
kind = "email"
url = "smtp://127.0.0.1:PORT"
starttls = false
from = "hooks@example.com"
to = ["ops@example.com"]
digest = "15m"
text = "{% for event in events %}{{ event.id }} {% endfor %}"
[[routes]]
source = "github"
to = ["oncall"]
"""
WINDOW = 5  # events


@pytest.fixture
def rigged(rig: Rig, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> JobRig:
    monkeypatch.setenv("CHAT_URL", sink.url("/chat"))
    made = JobRig(rig)
    made.write(CODE)
    rig.config(CHAT)
    return made


def kill(worker: "subprocess.Popen[bytes]") -> None:
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def digest(rigged: JobRig, broker: WakeBroker) -> list[str]:
    """Store events whose window is over, and publish their deliveries as a scheduler does."""
    events = [rigged.rig.store() for _ in range(WINDOW)]
    assert rigged.rig.dispatch(*events) == []
    execute(rigged.database, "UPDATE deliveries SET due_at = 1, wake_at = 1")
    publish_deliveries(broker, wake.due_deliveries(rigged.database, 100))
    return events


def texts(sink: Sink) -> list[str]:
    return [request.body.decode() for request in sink.requests("/chat")]


def succeeded(rigged: JobRig, event_id: str) -> int:
    """How many attempts of an event's only delivery are written down as successes."""
    outcomes = [attempt.outcome for attempt in rigged.rig.attempts(event_id)]
    return outcomes.count(AttemptOutcome.SUCCEEDED)


def test_everything_goes_on_once_a_scheduler_comes_after_the_worker_died(
    rigged: JobRig, sink: Sink
) -> None:
    """A job with what follows it, a delivery and a digest, and what came while nobody was there."""
    sink.script("/chat", Answer(hang=True))
    broker = build_broker(rigged.rig.environ["HOOKKEEPER_BROKER_URL"], [])
    worker = rigged.rig.dramatiq(threads=8)
    first, second = rigged.make(chain(rigged.call("copies"), rigged.call("follows")), broker=broker)
    told = digest(rigged, broker)
    event_id = rigged.rig.store(source="other")
    publish_deliveries(broker, rigged.rig.dispatch(event_id))
    wait_until(lambda: rigged.notes("works"), timeout=20)
    wait_until(lambda: rigged.row(first).progress.done == 7, timeout=20)
    sink.wait_for(1, "/chat")

    kill(worker)
    late = rigged.make(rigged.call("follows"))[0]  # its message is never sent
    sink.script("/chat", Answer(body=b"ok"))
    sink.release()
    rigged.rig.dramatiq(threads=8)
    rigged.rig.start("actors.scheduler")

    rigged.wait_for(second, JobState.SUCCESS, timeout=60)
    rigged.wait_for(late, JobState.SUCCESS, timeout=30)
    for one in (*told, event_id):
        rigged.rig.wait_for(one, DeliveryState.SUCCEEDED, timeout=60)
    assert (rigged.result(first), rigged.result(second)) == (2, [2])
    assert rigged.notes("from") == ["0", "7"]
    assert [succeeded(rigged, one) for one in (*told, event_id)] == [1] * (WINDOW + 1)
    assert set(ledger.violations(rigged.database).values()) == {0}
    broker.client.connection_pool.disconnect()


def test_a_digest_whose_worker_dies_half_way_is_sent_again_and_recorded_once(
    rigged: JobRig, sink: Sink
) -> None:
    """The message had arrived and nobody could know: people read it twice rather than never.

    The delivery that spoke for the others is a suspect then, and speaks for itself alone.
    """
    sink.script("/chat", Answer(hang=True))
    broker = build_broker(rigged.rig.environ["HOOKKEEPER_BROKER_URL"], [])
    rigged.rig.start("actors.scheduler")
    worker = rigged.rig.dramatiq(threads=8)
    events = digest(rigged, broker)
    sink.wait_for(1, "/chat")
    held = [one for one in events if rigged.rig.state(one) == DeliveryState.RUNNING]
    assert len(held) == 1, "its riders were nobody's, and cannot be lost with it"

    kill(worker)
    sink.script("/chat", Answer(body=b"ok"))
    sink.release()
    rigged.rig.dramatiq(threads=8)

    for event_id in events:
        rigged.rig.wait_for(event_id, DeliveryState.SUCCEEDED, timeout=60)
        assert succeeded(rigged, event_id) == 1
        assert rigged.rig.delivery(event_id).crashes == (event_id in held)
    before, *after = texts(sink)
    assert all(event_id in before for event_id in events)
    assert [sum(event_id in text for text in after) for event_id in events] == [1] * WINDOW
    assert len(after) == 2, "the suspect's own, and one for the rest of the window"
    assert set(ledger.violations(rigged.database).values()) == {0}
    broker.client.connection_pool.disconnect()


def test_a_digest_by_mail_whose_worker_dies_half_way_is_told_to_be_a_repetition(
    rigged: JobRig, mail_server: MailServer
) -> None:
    """The delivery that spoke for all has the first mail's Message-ID again: programs fold both."""
    rigged.rig.config(MAIL.replace("PORT", str(mail_server.port)))
    box = mail_server.box
    box.answering.clear()
    broker = build_broker(rigged.rig.environ["HOOKKEEPER_BROKER_URL"], [])
    rigged.rig.start("actors.scheduler")
    worker = rigged.rig.dramatiq(threads=8)
    events = digest(rigged, broker)
    wait_until(lambda: box.mails, timeout=20, describe="the mail to be there, unanswered")

    kill(worker)
    box.answering.set()
    rigged.rig.dramatiq(threads=8)

    for event_id in events:
        rigged.rig.wait_for(event_id, DeliveryState.SUCCEEDED, timeout=60)
        assert succeeded(rigged, event_id) == 1
    before, *after = [box.read(number) for number in range(len(box.mails))]
    assert [event_id in said(before) for event_id in events] == [True] * WINDOW
    assert [sum(one in said(mail) for mail in after) for one in events] == [1] * WINDOW
    assert [mail["Message-ID"] for mail in after].count(before["Message-ID"]) == 1
    assert len({mail["Message-ID"] for mail in after}) == len(after) == 2
    assert set(ledger.violations(rigged.database).values()) == {0}
    broker.client.connection_pool.disconnect()


def said(mail: EmailMessage) -> str:
    text = mail.get_body(("plain",))
    assert text is not None
    return str(text.get_content())
