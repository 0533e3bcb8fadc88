"""One HTTP attempt: what goes out, and how each answer is judged."""

import asyncio
import base64
import gzip
import hashlib
import hmac
from dataclasses import replace
from ipaddress import ip_network

import pytest

from actors.attempts.http import attempt, headers
from actors.attempts.signature import signature_headers
from ingest.config.model import Destination
from ingest.errors import ConfigError
from ingest.events import AttemptOutcome, AttemptResult, Claimed, DestinationKind
from ingest.outbound import Door
from ingest.verify.request import Secret
from tests.actors.making import TRACE_ID, claimed
from tests.services.sink import Answer, Sink

NOW = 1_700_000_000_000
SECRET = Secret("env:BILLING", b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def delivery(body: bytes = b"{}") -> Claimed:
    return replace(claimed("billing", body=body), kind=DestinationKind.HTTP, queue="deliver")


def destination(sink: Sink, path: str = "/in") -> Destination:
    allow = (ip_network("127.0.0.0/8"),)
    return Destination(name="billing", url=sink.url(path), allow=allow, timeout_seconds=5)


def make(to: Destination | None, what: Claimed | None = None) -> AttemptResult:
    async def through_a_door() -> AttemptResult:
        door = Door(4)
        try:
            return await attempt(door, to, what or delivery(), NOW)
        finally:
            await door.close()

    return asyncio.run(through_a_door())


# -- what goes out --------------------------------------------------------------------------


def test_the_signature_is_the_one_of_the_specification() -> None:
    """The example of standard-webhooks' own libraries."""
    made = signature_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
        b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )

    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_without_a_prefix_is_used_as_it_is() -> None:
    made = signature_headers("id", 1, b"body", b"plain text")

    digest = hmac.new(b"plain text", b"id.1.body", hashlib.sha256).digest()
    assert made["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_without_a_secret_nothing_is_signed() -> None:
    assert signature_headers("id", 1, b"", None) == {"webhook-id": "id", "webhook-timestamp": "1"}


def test_a_broken_secret_is_said_and_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        signature_headers("id", 1, b"", b"whsec_!!!not-base64")

    assert "not-base64" not in str(refused.value).replace("is not base64", "")


def test_a_replay_is_told_apart_and_a_retry_is_not(sink: Sink) -> None:
    first = delivery()
    retry = replace(first, starts=2, attempts=1)
    replay = replace(first, generation=2)

    ids = [headers(destination(sink), one, NOW)["webhook-id"] for one in (first, retry, replay)]

    assert ids == [first.event.id, first.event.id, f"{first.event.id}.2"]


def test_the_trace_goes_on_at_the_destination(sink: Sink) -> None:
    made = headers(destination(sink), delivery(), NOW)

    version, trace, parent, flags = made["traceparent"].split("-")
    assert (version, trace, len(parent), flags) == ("00", TRACE_ID, 16, "01")


def test_a_trace_id_that_is_none_is_left_out(sink: Sink) -> None:
    odd = delivery()
    odd = replace(odd, event=replace(odd.event, trace_id="x\r\ny"))

    assert "traceparent" not in headers(destination(sink), odd, NOW)


def test_headers_of_the_configuration_go_along_and_never_replace_ours(sink: Sink) -> None:
    own = replace(destination(sink), headers={"authorization": "Bearer x", "webhook-id": "forged"})
    what = delivery()

    made = headers(own, what, NOW)

    assert (made["authorization"], made["webhook-id"]) == ("Bearer x", what.event.id)


def test_body_content_type_and_signature_arrive(sink: Sink) -> None:
    what = delivery(b"\x00\xff exact \r\n")
    what = replace(what, event=replace(what.event, content_type="text/x; charset=\xe9"))

    assert make(replace(destination(sink), secret=SECRET), what).outcome is AttemptOutcome.SUCCEEDED

    (request,) = sink.requests("/in")
    assert request.body == what.event.body
    assert request.header("content-type") == "text/x; charset=\xe9"
    assert request.header("webhook-timestamp") == str(NOW // 1_000)
    assert request.header("webhook-signature").startswith("v1,")


def test_a_compressed_body_stays_compressed_and_says_so(sink: Sink) -> None:
    body = gzip.compress(b"{}")
    what = delivery(body)
    sent = (("Content-Encoding", "gzip"), ("X-Secret-Of-The-Sender", "1"))
    what = replace(what, event=replace(what.event, headers=sent))

    make(destination(sink), what)

    (request,) = sink.requests("/in")
    assert (request.header("content-encoding"), request.body) == ("gzip", body)
    assert not request.header("x-secret-of-the-sender")


# -- how answers are judged -----------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_success(sink: Sink, status: int) -> None:
    sink.script("/in", Answer(status))

    assert make(destination(sink)).outcome is AttemptOutcome.SUCCEEDED


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 408, 422, 425, 429, 500, 502, 503])
def test_what_may_be_repaired_is_tried_again(sink: Sink, status: int) -> None:
    sink.script("/in", Answer(status, body=b"sorry"))

    result = make(destination(sink))

    assert (result.outcome, result.status) == (AttemptOutcome.RETRYABLE, status)
    assert (result.code, "sorry" in result.message) == (f"http_{status}", True)


def test_gone_is_gone(sink: Sink) -> None:
    sink.script("/in", Answer(410))

    assert make(destination(sink)).outcome is AttemptOutcome.PERMANENT


def test_retry_after_is_taken_along(sink: Sink) -> None:
    sink.script("/in", Answer(429, (("Retry-After", "30"),)))

    assert make(destination(sink)).retry_after_ms == 30_000


def test_a_hanging_destination_times_out(sink: Sink) -> None:
    sink.script("/in", Answer(hang=True))

    result = make(replace(destination(sink), timeout_seconds=0.2))

    assert (result.outcome, result.code) == (AttemptOutcome.TIMED_OUT, "timeout")


def test_an_address_that_is_refused_is_dead_at_once(sink: Sink) -> None:
    result = make(replace(destination(sink), allow=()))

    assert (result.outcome, result.code) == (AttemptOutcome.PERMANENT, "refused_address")
    assert sink.requests() == []


def test_a_destination_that_is_gone_from_the_file_is_tried_again() -> None:
    result = make(None)

    assert (result.outcome, result.code) == (AttemptOutcome.RETRYABLE, "unknown_destination")


def test_a_body_is_never_posted_where_people_are_told_now(sink: Sink) -> None:
    """Its kind was changed in the file while this delivery waited."""
    result = make(replace(destination(sink), kind=DestinationKind.SLACK))

    assert (result.outcome, result.code) == (AttemptOutcome.RETRYABLE, "unknown_destination")
    assert sink.requests() == []


def test_a_secret_that_cannot_be_used_is_tried_again(sink: Sink) -> None:
    broken = replace(destination(sink), secret=Secret("env:BROKEN", b"whsec_!"))

    assert make(broken).code == "bad_secret"
    assert sink.requests() == []
