"""One message to a Slack webhook: what goes out, and how answers are judged."""

import asyncio
import json
from dataclasses import replace
from ipaddress import ip_network

import pytest

from actors.attempts.slack import attempt
from ingest.config.model import Destination
from ingest.events import AttemptOutcome, AttemptResult, DestinationKind
from ingest.message import Written, default_slack
from ingest.outbound import Door
from tests.actors.making import event
from tests.services.mail import Misbehaving, resetting, tarpit
from tests.services.sink import Answer, Sink

OK = Answer(body=b"ok")


def chat(url: str) -> Destination:
    return Destination(
        name="chat",
        url=url,
        kind=DestinationKind.SLACK,
        allow=(ip_network("127.0.0.0/8"),),
        message=default_slack(),
        timeout_seconds=5,
    )


def send(to: Destination, written: Written | None = None) -> AttemptResult:
    async def through_a_door() -> AttemptResult:
        door = Door(4)
        try:
            return await attempt(door, to, written or Written("s", "hello"), 1_700_000_000_000)
        finally:
            await door.close()

    return asyncio.run(through_a_door())


def test_a_message_arrives_and_unfolds_no_senders_link(sink: Sink) -> None:
    sink.script("/in", OK)

    assert send(chat(sink.url("/in"))).outcome is AttemptOutcome.SUCCEEDED

    (request,) = sink.requests("/in")
    assert request.header("content-type") == "application/json; charset=utf-8"
    sent = json.loads(request.body)
    assert sent == {"text": "hello", "unfurl_links": False, "unfurl_media": False}


def test_no_event_can_call_the_whole_channel() -> None:
    rude = replace(event(), type="<!channel> & <https://evil.example|bank>")

    text = default_slack().write("chat", [rude], 1).text

    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|bank&gt;" in text
    assert "<" not in text


@pytest.mark.parametrize("body", [b"ok", b'{"success":true}', b'{"ok": true}'])
def test_what_speaks_as_slack_does_is_believed(sink: Sink, body: bytes) -> None:
    sink.script("/in", Answer(body=body))

    assert send(chat(sink.url("/in"))).outcome is AttemptOutcome.SUCCEEDED


@pytest.mark.parametrize("body", [b"", b"<html>Log in</html>", b'{"ok": false}', b"no_text"])
def test_a_200_that_is_no_ok_is_none(sink: Sink, body: bytes) -> None:
    """A login page of a proxy, for one."""
    sink.script("/in", Answer(body=body))

    result = send(chat(sink.url("/in")))

    assert (result.outcome, result.code) == (AttemptOutcome.RETRYABLE, "not_ok")


@pytest.mark.parametrize("status", [302, 400, 403, 404, 500, 503])
def test_what_may_be_repaired_is_tried_again(sink: Sink, status: int) -> None:
    sink.script("/in", Answer(status, body=b"invalid_token"))

    result = send(chat(sink.url("/in")))

    assert (result.outcome, result.code) == (AttemptOutcome.RETRYABLE, f"http_{status}")
    assert "invalid_token" in result.message


def test_an_archived_channel_is_final(sink: Sink) -> None:
    sink.script("/in", Answer(410, body=b"channel_is_archived"))

    assert send(chat(sink.url("/in"))).outcome is AttemptOutcome.PERMANENT


def test_too_many_messages_wait_as_long_as_slack_says(sink: Sink) -> None:
    sink.script("/in", Answer(429, (("Retry-After", "30"),)))

    result = send(chat(sink.url("/in")))

    assert (result.outcome, result.retry_after_ms) == (AttemptOutcome.RETRYABLE, 30_000)


def test_a_webhook_that_hangs_is_left(sink: Sink) -> None:
    sink.script("/in", Answer(hang=True))

    result = send(replace(chat(sink.url("/in")), timeout_seconds=0.2))

    assert result.outcome is AttemptOutcome.TIMED_OUT


def test_a_tarpit_a_reset_and_a_server_without_tls_are_tried_again(sink: Sink) -> None:
    slow, broken = Misbehaving(tarpit), Misbehaving(resetting)
    try:
        stuck = send(replace(chat(f"http://127.0.0.1:{slow.port}/"), timeout_seconds=0.3))
        reset = send(chat(f"http://127.0.0.1:{broken.port}/"))
    finally:
        slow.close()
        broken.close()
    plain = send(chat(sink.url("/in").replace("http:", "https:")))

    assert stuck.outcome in (AttemptOutcome.TIMED_OUT, AttemptOutcome.RETRYABLE)
    assert reset.outcome is AttemptOutcome.RETRYABLE
    assert (plain.outcome, plain.code) == (AttemptOutcome.RETRYABLE, "tls_error")


def test_a_private_address_is_refused_unless_it_is_allowed(sink: Sink) -> None:
    result = send(replace(chat(sink.url("/in")), allow=()))

    assert (result.outcome, result.code) == (AttemptOutcome.PERMANENT, "refused_address")
    assert sink.requests() == []
