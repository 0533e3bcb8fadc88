"""Amazon SNS: some fields of the JSON body, each name and value on a line of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from ingest.verify.builders.claiming import claim, unreadable
from ingest.verify.claims import Claim
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected

_CONFIRMATION: Final = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_OPTIONAL: Final = "Subject"


def aws_sns(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    r"""Sign ``Name\nValue\n`` of the fields that the message's type has, sorted.

    https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Other fields
    (MessageAttributes, UnsubscribeURL) are not signed and prove nothing. Amazon signs for everybody
    who has an account: only the option ``topic_arn`` tells whose message it is.
    """
    message = _parsed(reading.request.body)
    fields = _SIGNED.get(str(message.get("Type")))
    if fields is None:
        return unreadable("body as a message of SNS; is raw message delivery switched on?")
    lines = []
    for name in fields:
        value = message.get(name)
        if value is None and name == _OPTIONAL:
            continue
        if not isinstance(value, str):
            return unreadable(f"signed field {name} of the body")
        lines.append(f"{name}\n{value}\n")
    topic = reading.options.get("topic_arn")
    if topic and message["TopicArn"] != topic:
        return Rejected(Reason.BAD_SIGNATURE, "the message is of another topic than the option's")
    return claim(provider, reading, [("".join(lines).encode("utf-8", "surrogatepass"),)])


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}
