"""One message to a Slack webhook, or to one that speaks as Slack's do (Mattermost, Rocket.Chat).

https://api.slack.com/messaging/webhooks#handling_errors: 200 with the body ``ok`` is success; 429
names in Retry-After how long to wait; 410 is an archived channel.
"""

import re

import orjson

from ingest.backoff import retry_after_ms
from ingest.config.model import Destination
from ingest.events import AttemptOutcome, AttemptResult
from ingest.message import Written
from ingest.outbound import AddressRefused, Answer, Door, OutboundFailed

_OK = 200
_GONE = 410
_YES = re.compile(r'ok|\{.*"(ok|success)"\s*:\s*true.*\}', re.DOTALL)


async def attempt(door: Door, to: Destination, written: Written, now: int) -> AttemptResult:
    """Post a message. Links in it are not unfolded: Slack would fetch what a sender names."""
    body = orjson.dumps({"text": written.text, "unfurl_links": False, "unfurl_media": False})
    try:
        answer = await door.post(
            to.url,
            {"content-type": "application/json; charset=utf-8"},
            body,
            timeout_seconds=to.timeout_seconds,
            allow=to.allow,
        )
    except AddressRefused as error:
        return AttemptResult(AttemptOutcome.PERMANENT, error.code, str(error))
    except OutboundFailed as error:
        timed_out = error.code == "timeout"
        outcome = AttemptOutcome.TIMED_OUT if timed_out else AttemptOutcome.RETRYABLE
        return AttemptResult(outcome, error.code, str(error))
    return _judge(answer, now)


def _judge(answer: Answer, now: int) -> AttemptResult:
    code = f"http_{answer.status}"
    if answer.status == _OK and _YES.fullmatch(answer.excerpt):
        return AttemptResult(AttemptOutcome.SUCCEEDED, code, status=answer.status)
    outcome = AttemptOutcome.PERMANENT if answer.status == _GONE else AttemptOutcome.RETRYABLE
    return AttemptResult(
        outcome,
        "not_ok" if answer.status == _OK else code,
        f"The webhook answered {answer.status}: {answer.excerpt or 'nothing'}",
        answer.status,
        retry_after_ms(answer.retry_after, now),
    )
