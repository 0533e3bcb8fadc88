"""Bodies made from an entry: JSON or a form, as its words say, and what its builder has to find."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from ingest.signing.draft import FORM, JSON, Draft
from ingest.verify.extract import Choice, Extractor
from ingest.verify.places import Atom
from ingest.verify.provider import Provider

_FORM_BUILDERS: Final = frozenset(
    {"braintree", "mandrill", "paddle_classic", "payu", "plivo_v2", "plivo_v3", "twilio"}
)
Make = Callable[[str, int], dict[str, Any]]


def new_draft(provider: Provider, url: str, event_id: str, now: int) -> Draft:
    """Begin a request of this provider: its content type, and what is in the body anyway."""
    if provider.builder == "wecom":
        cipher = base64.b64encode(event_id.encode()).decode()
        text = f"<xml><ToUserName>example</ToUserName><Encrypt>{cipher}</Encrypt></xml>"
        return Draft(url, (("Content-Type", "text/xml"),), text.encode())
    if Atom("body", "") in provider.signature:
        return Draft(url, (("Content-Type", "application/jwt"),))
    content: Any = _BODIES.get(provider.builder or "", _object)(event_id, now)
    if is_form(provider):
        body = urlencode(content if provider.builder in _BODIES else _flat(content)).encode()
        return Draft(url, (("Content-Type", FORM),), body)
    if _is_list(provider):
        content = [content]
    return Draft(url, (("Content-Type", JSON),), orjson.dumps(content))


def is_form(provider: Provider) -> bool:
    """Whether this provider's events are forms: what the entry reads first is a field of one."""
    if provider.builder in _FORM_BUILDERS:
        return True
    places = {atom.place for atom in _first_places(provider)}
    return "form" in places and "body" not in places


def _is_list(provider: Provider) -> bool:
    firsts = [
        atom.path[0] for atom in _first_places(provider) if atom.place == "body" and atom.path
    ]
    return any(first.isdigit() for first in firsts)


def _first_places(provider: Provider) -> Iterable[Atom]:
    yield from provider.signature[:1]
    yield from provider.content.places
    for template in (provider.event_type, provider.event_id, provider.timestamp):
        if template is not None:
            yield from _of_first(template)


def _of_first(template: Extractor) -> Iterable[Atom]:
    return (piece.atoms[0] for piece in template.templates[0] if isinstance(piece, Choice))


def _object(event_id: str, now: int) -> dict[str, Any]:
    moment = dt.datetime.fromtimestamp(now / 1_000, dt.UTC).isoformat(timespec="seconds")
    subject = {
        "reference": f"example-{event_id[:8]}",
        "description": "An example, made by hookkeeper send: größer",
        "amount": 1999,
        "currency": "EUR",
    }
    return {"created_at": moment.replace("+00:00", "Z"), "example": subject}


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"created_at": content["created_at"]} | {
        name: str(value) for name, value in content["example"].items()
    }


def _adyen(event_id: str, now: int) -> dict[str, Any]:
    item = _object(event_id, now) | {
        "pspReference": event_id,
        "merchantAccountCode": "ExampleAccount",
        "merchantReference": "example",
        "amount": {"value": 1999, "currency": "EUR"},
        "success": "true",
    }
    return {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}


def _aws_sns(event_id: str, now: int) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": event_id,
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:example",
        "Subject": "An example",
        "Message": "An example, made by hookkeeper send",
        "Timestamp": _object(event_id, now)["created_at"],
    }


def _braintree(event_id: str, _now: int) -> dict[str, Any]:
    notification = f"<notification><kind>check</kind><id>{event_id}</id></notification>"
    return {"bt_payload": base64.encodebytes(notification.encode()).decode()}


def _exact_online(event_id: str, _now: int) -> dict[str, Any]:
    return {"Content": {"Key": event_id, "Division": 1}}


def _paymob(_event_id: str, now: int) -> dict[str, Any]:
    transaction = {"amount_cents": 1999, "currency": "EGP", "success": True, "pending": False}
    return {"type": "TRANSACTION", "obj": _object("00000000", now) | transaction}


def _payu(_event_id: str, _now: int) -> dict[str, Any]:
    return {"key": "example", "txnid": "example", "amount": "19.99", "productinfo": "Example"}


def _plivo(_event_id: str, _now: int) -> dict[str, Any]:
    return {"From": "15550100001", "To": "15550100002", "Direction": "inbound"}


def _praxis(_event_id: str, now: int) -> dict[str, Any]:
    return {"merchant_id": "example", "timestamp": now // 1_000, "session": {"order_id": "1"}}


def _treezor(event_id: str, now: int) -> dict[str, Any]:
    return {"object": "example", "object_payload": _object(event_id, now)}


def _twilio(event_id: str, _now: int) -> dict[str, Any]:
    return {
        "AccountSid": "AC00000000000000000000000000000000",
        "MessageSid": f"SM{event_id.replace('-', '')}",
        "From": "+15550100001",
        "To": "+15550100002",
    }


_BODIES: Final[Mapping[str, Make]] = {
    "adyen": _adyen,
    "aws_sns": _aws_sns,
    "braintree": _braintree,
    "exact_online": _exact_online,
    "paymob": _paymob,
    "payu": _payu,
    "plivo_v2": _plivo,
    "plivo_v3": _plivo,
    "praxis": _praxis,
    "treezor": _treezor,
    "twilio": _twilio,
}
