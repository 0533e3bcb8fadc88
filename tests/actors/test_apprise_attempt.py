"""One message through apprise, to a server of our own."""

import json
from dataclasses import replace

import pytest

from actors.attempts.apprise import attempt
from ingest.config.model import Destination
from ingest.events import AttemptOutcome, DestinationKind
from ingest.message import Written, default_text
from tests.services.sink import Answer, Sink

#: apprise loads a module of Python's that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

WRITTEN = Written("github: push", "*not* <b>markup</b>")


@pytest.fixture
def phone(sink: Sink) -> Destination:
    url = sink.url("/in").replace("http://", "json://")
    return Destination(name="phone", url=url, kind=DestinationKind.APPRISE, message=default_text())


def test_a_message_arrives_as_text(phone: Destination, sink: Sink) -> None:
    assert attempt(phone, WRITTEN).outcome is AttemptOutcome.SUCCEEDED

    (request,) = sink.requests()
    sent = json.loads(request.body)
    assert (sent["title"], sent["message"]) == ("github: push", "*not* <b>markup</b>")


@pytest.mark.parametrize("status", [400, 429, 500])
def test_what_was_not_taken_is_tried_again(phone: Destination, sink: Sink, status: int) -> None:
    """apprise says that it failed, and not why."""
    sink.script("/in", Answer(status))
    sink.script("/in/", Answer(status))

    result = attempt(phone, WRITTEN)

    assert (result.outcome, result.code) == (AttemptOutcome.RETRYABLE, "apprise_failed")


def test_a_url_that_became_none_is_said_and_not_shown(phone: Destination) -> None:
    result = attempt(replace(phone, url="nothing://hunter2"), WRITTEN)

    assert (result.outcome, result.code) == (AttemptOutcome.RETRYABLE, "apprise_failed")
    assert "hunter2" not in result.message
