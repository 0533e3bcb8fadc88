"""One HTTP attempt: an event's body, exactly as received, signed and posted to a destination.

What counts as success and what is worth another try follows Standard Webhooks: 2xx is success,
410 says "never again", everything else is tried again. That includes 3xx (redirects are not
followed) and the other 4xx: a wrong deployment answers 401 or 404 for minutes, and losing those
events costs more than asking again.
"""

import re

from actors.attempts.signature import signature_headers
from ingest.backoff import retry_after_ms
from ingest.config.model import Destination
from ingest.errors import ConfigError
from ingest.events import AttemptOutcome, AttemptResult, Claimed, DestinationKind
from ingest.outbound import AddressRefused, Answer, Door, OutboundFailed

_GONE = 410
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_PARENT_DIGITS = 16


async def attempt(
    door: Door, destination: Destination | None, claimed: Claimed, now: int
) -> AttemptResult:
    """Post ``claimed`` to its destination; None where the configuration has no such one now.

    Nor has it one where people are told now, under the same name: they get messages, no bodies.
    """
    if destination is None or destination.kind is not DestinationKind.HTTP:
        return _unknown(claimed.destination)
    try:
        answer = await door.post(
            destination.url,
            headers(destination, claimed, now),
            claimed.event.body,
            timeout_seconds=destination.timeout_seconds,
            allow=destination.allow,
        )
    except AddressRefused as error:
        return AttemptResult(AttemptOutcome.PERMANENT, error.code, str(error))
    except OutboundFailed as error:
        timed_out = error.code == "timeout"
        outcome = AttemptOutcome.TIMED_OUT if timed_out else AttemptOutcome.RETRYABLE
        return AttemptResult(outcome, error.code, str(error))
    except ConfigError as error:
        return AttemptResult(AttemptOutcome.RETRYABLE, "bad_secret", str(error))
    return _judge(answer, now)


def headers(destination: Destination, claimed: Claimed, now: int) -> dict[str, str]:
    """Return what goes with the body: proof, trace, and what says how to read these bytes.

    Nothing else of the sender's is passed on.
    """
    event = claimed.event
    webhook_id = f"{event.id}.{claimed.generation}" if claimed.generation else event.id
    secret = destination.secret.value if destination.secret else None
    made = signature_headers(webhook_id, now // 1_000, event.body, secret)
    if event.content_type:
        made["content-type"] = event.content_type
    if encoding := event.header("content-encoding"):
        made["content-encoding"] = encoding  # the body is still as it was sent, compressed
    if _TRACE_ID.fullmatch(event.trace_id):
        # https://www.w3.org/TR/trace-context/: the delivery is the parent of what it causes.
        parent = claimed.delivery_id.replace("-", "")[-_PARENT_DIGITS:]
        made["traceparent"] = f"00-{event.trace_id}-{parent}-01"
    return {**destination.headers, **made}


def _judge(answer: Answer, now: int) -> AttemptResult:
    code = f"http_{answer.status}"
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of HTTP statuses that mean success
        return AttemptResult(AttemptOutcome.SUCCEEDED, code, status=answer.status)
    outcome = AttemptOutcome.PERMANENT if answer.status == _GONE else AttemptOutcome.RETRYABLE
    said = f": {answer.excerpt}" if answer.excerpt else "."
    return AttemptResult(
        outcome,
        code,
        f"The destination answered {answer.status}{said}",
        answer.status,
        retry_after_ms(answer.retry_after, now),
    )


def _unknown(name: str) -> AttemptResult:
    return AttemptResult(
        AttemptOutcome.RETRYABLE,
        "unknown_destination",
        f"hookkeeper.toml has no destination {name!r} any more. Put it back, or let this expire.",
    )
