"""Events that share an id, because it names what they tell of: none of them may hide another."""

import hashlib
import json
from urllib.parse import urlencode

import pydantic
import pytest

from ingest.verify import (
    Request,
    Secret,
    Verified,
    custom_provider,
    dedupe_key,
    load_catalogue,
    verify,
)
from tests.unit.verify.builders.judging import NOW, Sent, base64ed, hexed
from tests.unit.verify.formulas import read_formulas

FORMULAS = read_formulas()
#: Two events of one thing, as the providers send them, shortened.
EVENTS: dict[str, tuple[object, object]] = {
    "akeneo": (
        {"events": [{"action": "product.updated", "event_id": "e1"}]},
        {"events": [{"action": "product.updated", "event_id": "e1"}, {"event_id": "e2"}]},
    ),
    "clickup": (
        {"event": "taskUpdated", "webhook_id": "w", "history_items": [{"id": "1"}]},
        {"event": "taskUpdated", "webhook_id": "w", "history_items": [{"id": "1"}, {"id": "2"}]},
    ),
    "courier": (
        {"type": "message:updated", "data": {"id": "1-6a", "status": "SENT"}},
        {"type": "message:updated", "data": {"id": "1-6a", "status": "OPENED"}},
    ),
    "docusign": (  # both signers of one envelope are done
        {"event": "recipient-completed", "retryCount": 0,
         "data": {"envelopeId": "e1", "recipientId": "1"}},
        {"event": "recipient-completed", "retryCount": 0,
         "data": {"envelopeId": "e1", "recipientId": "2"}},
    ),
    "fastspring": (  # what it could not deliver comes again, together with what is new
        {"events": [{"type": "order.completed", "id": "e1"}]},
        {"events": [{"type": "order.completed", "id": "e1"}, {"id": "e2"}]},
    ),
    "mailtrap": (
        {"events": [{"event": "open", "event_id": "e1"}]},
        {"events": [{"event": "open", "event_id": "e1"}, {"event": "click", "event_id": "e2"}]},
    ),
    "mongodb_atlas": ({"id": "5f", "status": "OPEN"}, {"id": "5f", "status": "CLOSED"}),
    "onfido": (
        {"payload": {"action": "check.completed", "object": {"id": "c1", "completed": "10:00"}}},
        {"payload": {"action": "check.completed", "object": {"id": "c1", "completed": "11:30"}}},
    ),
    "quickbooks": (
        [{"id": "e1", "type": "qbo.customer.created.v1"}],
        [{"id": "e1", "type": "qbo.customer.created.v1"}, {"id": "e2", "type": "qbo.x"}],
    ),
    "recurly": (
        {"id": "r3oplsj3zo7a", "object_type": "account", "event_type": "created"},
        {"id": "r3oplsj3zo7a", "object_type": "account", "event_type": "updated"},
    ),
    "retell": (
        {"event": "transcript_updated", "call": {"call_id": "c1", "transcript": "Hi"}},
        {"event": "transcript_updated", "call": {"call_id": "c1", "transcript": "Hi. Yes?"}},
    ),
    "unit": (
        {"data": [{"id": "1", "type": "customer.created"}]},
        {"data": [{"id": "1", "type": "customer.created"}, {"id": "2", "type": "account.created"}]},
    ),
}  # fmt: skip


def _signed(slug: str, body: object) -> tuple[dict[str, object], bytes]:
    """The verdict on a message that ``formulas.py`` signs, and its body."""
    raw = json.dumps(body).encode()
    line = FORMULAS[slug].line(raw)
    sent = Sent(slug, raw, line["headers"], line["secret"], now=line["now"])
    return sent.verdict(), raw


def _verified(slug: str, body: bytes, secret: bytes) -> Verified:
    request = Request("POST", "/in/acme", (), body)
    verdict = verify(load_catalogue()[slug], request, [Secret("s", secret)], NOW * 1_000)
    assert isinstance(verdict, Verified), verdict
    return verdict


def _opennode(status: str) -> Sent:
    """OpenNode signs the charge's id alone."""
    charge = {"id": "ch_1", "status": status, "hashed_order": hexed("key", "ch_1")}
    return Sent("opennode", urlencode(charge).encode(), {}, "key")


def _mandrill(event: str) -> Sent:
    """Mandrill's ``_id`` is the message's, which is sent, opened and clicked."""
    events = json.dumps([{"event": event, "_id": "exampleaaa2", "ts": 1_384_954_004}])
    url = "https://hooks.example.com/in/acme"
    signature = base64ed("key", f"{url}mandrill_events{events}", "sha1")
    body = urlencode({"mandrill_events": events}).encode()
    return Sent("mandrill", body, {"X-Mandrill-Signature": signature}, "key", url)


def _key(slug: str, verdict: dict[str, object], body: bytes) -> bytes | None:
    assert verdict["valid"], verdict
    verified = Verified(str(verdict["event_type"]), str(verdict["event_id"]), True, True, "env:S")
    digest = hashlib.sha256(body).digest()
    return dedupe_key("acme", load_catalogue()[slug], verified, digest, "provider")


@pytest.mark.parametrize("slug", list(EVENTS))
def test_two_events_of_one_thing_are_two(slug: str) -> None:
    one, other = (_signed(slug, body) for body in EVENTS[slug])
    assert one[0]["event_id"] == other[0]["event_id"], "the id is the thing's"
    assert _key(slug, *one) != _key(slug, *other)
    assert _key(slug, *one) == _key(slug, *one), "the same message again is a duplicate"


@pytest.mark.parametrize(
    ("one", "other"),
    [(_opennode("processing"), _opennode("paid")), (_mandrill("open"), _mandrill("click"))],
    ids=["opennode", "mandrill"],
)
def test_so_are_those_whose_builder_signs_otherwise(one: Sent, other: Sent) -> None:
    first, second = one.verdict(), other.verdict()
    assert first["event_id"] == second["event_id"]
    assert _key(one.provider, first, one.body) != _key(other.provider, second, other.body)


def test_where_an_id_is_the_events_own_it_counts_alone() -> None:
    said = {"valid": True, "event_type": "invoice.paid", "event_id": "evt_1"}
    assert _key("stripe", said, b"{}") == _key("stripe", said, b'{"retries": 1}')


def test_a_token_that_signs_nothing_of_its_event_serves_for_one() -> None:
    """Mailgun's: who saw one could else send any event with it for as long as its time counts."""
    signature = {"timestamp": NOW, "token": "t-1", "signature": hexed("key", f"{NOW}t-1")}
    keys = set()
    for event in ("delivered", "unsubscribed"):
        body = json.dumps({"signature": signature, "event-data": {"event": event}}).encode()
        verdict = _verified("mailgun", body, b"key")
        assert verdict.id_signed
        assert not verdict.type_signed
        digest = hashlib.sha256(body).digest()
        keys.add(dedupe_key("acme", load_catalogue()["mailgun"], verdict, digest, "provider"))
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("slug", "body", "told"),
    [
        ("zoom", {"event": "meeting.started", "event_ts": 1_700_000_000_001}, "meeting.started.17"),
        ("xero", {"events": [{"eventCategory": "INVOICE"}], "lastEventSequence": 7}, "7"),
        ("meta", {"object": "page", "entry": [{"id": "1", "time": 2}]}, "1.2"),
        ("meta", {"object": "whatsapp_business_account", "entry": [{"id": "1"}]}, "1"),
        ("oura", {"object_id": "o", "event_time": "2026-01-01", "data_type": "sleep"}, "o.2026"),
        ("front", {"type": "inbound", "payload": {"id": "evt_1"}}, "evt_1"),
        ("shopify", {"id": 1}, None),
    ],
)
def test_a_retry_is_told_by_what_the_provider_names(
    slug: str, body: object, told: str | None
) -> None:
    verdict, _ = _signed(slug, body)
    assert str(verdict["event_id"]).startswith(told or "None")


def test_repeated_ids_need_an_id() -> None:
    scheme = {"family": "hmac", "header": "X-Sig", "id_repeats": True}
    with pytest.raises(pydantic.ValidationError, match="id_repeats needs event_id"):
        custom_provider("acme", scheme)
    assert custom_provider("acme", {**scheme, "event_id": "body:payment.id"}).id_repeats
