"""Handshakes that the provider signs are answered only if the signature holds."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from ingest.verify.key_set import KeySet, read_document
from tests.unit.handshakes.asking import Asked, content_type
from tests.unit.verify.key_pair_senders import certificate, rsa_sign

NOW = 1_760_000_000_000
SECOND = b"1760000000"
SECRET = b"bGV0IG1lIGlu"  # base64 as well, for those who decode it
TWITCH_TIME = "2025-10-09T08:53:20.914Z"


def _hex(content: bytes, algorithm: str = "sha256", key: bytes = SECRET) -> str:
    return hmac.new(key, content, algorithm).hexdigest()


def _base64(content: bytes) -> str:
    return base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()


def _slack(body: bytes) -> Mapping[str, str]:
    return {
        "X-Slack-Request-Timestamp": SECOND.decode(),
        "X-Slack-Signature": "v0=" + _hex(b"v0:" + SECOND + b":" + body),
    }


def _twitch(body: bytes) -> Mapping[str, str]:
    return {
        "Twitch-Eventsub-Message-Type": "webhook_callback_verification",
        "Twitch-Eventsub-Message-Id": "befa7b53",
        "Twitch-Eventsub-Message-Timestamp": TWITCH_TIME,
        "Twitch-Eventsub-Message-Signature": "sha256="
        + _hex(b"befa7b53" + TWITCH_TIME.encode() + body),
    }


def _samsara(body: bytes) -> Mapping[str, str]:
    key = base64.b64decode(SECRET)
    return {
        "X-Samsara-Timestamp": SECOND.decode(),
        "X-Samsara-Signature": "v1=" + _hex(b"v1:" + SECOND + b":" + body, key=key),
    }


def _tebex(body: bytes) -> Mapping[str, str]:
    return {"X-Signature": _hex(hashlib.sha256(body).hexdigest().encode())}


class Case(NamedTuple):
    """A signed question, what it is told, and what a forger of it is told (None: no handshake)."""

    slug: str
    body: Any
    sign: Callable[[bytes], Mapping[str, str]]
    said: bytes
    forged: int | None = None

    @property
    def asked(self) -> Asked:
        body = json.dumps(self.body).encode()
        return Asked(self.slug, headers=self.sign(body), body=body, secrets=[SECRET], now=NOW)


CASES = [
    Case("slack", {"type": "url_verification", "challenge": "c"}, _slack, b'{"challenge":"c"}'),
    Case("twitch", {"challenge": "pogchamp-kappa"}, _twitch, b"pogchamp-kappa", 403),
    Case("samsara", {"eventType": "Ping"}, _samsara, b""),
    Case("tebex", {"id": "a-1", "type": "validation.webhook"}, _tebex, b'{"id":"a-1"}'),
    Case(
        "line",
        {"destination": "U1", "events": []},
        lambda body: {"x-line-signature": _base64(body)},
        b"",
    ),
    Case(
        "asana",
        {"events": []},
        lambda body: {"X-Hook-Signature": _hex(body)},
        b"",
    ),
    Case(
        "viber", {"event": "webhook"}, lambda body: {"X-Viber-Content-Signature": _hex(body)}, b""
    ),
    Case(
        "xero",
        {"events": [], "entropy": "S0m3r4Nd0mt3xt"},
        lambda body: {"x-xero-signature": _base64(body)},
        b"",
        401,
    ),
    Case(
        "terraform_cloud",
        {"notifications": [{"trigger": "verification"}]},
        lambda body: {"X-TFE-Notification-Signature": _hex(body, "sha512")},
        b"",
    ),
    Case(
        "enode",
        [{"event": "enode:webhook:test"}],
        lambda body: {"X-Enode-Signature": "sha1=" + _hex(body, "sha1")},
        b"",
    ),
    Case(
        "bridge_api",
        {"type": "TEST_EVENT", "content": {}},
        lambda body: {"BridgeApi-Signature": "v1=" + _hex(body).upper()},
        b"",
    ),
    Case(
        "google_channels",
        {},
        lambda _: {"X-Goog-Resource-State": "sync", "X-Goog-Channel-Token": SECRET.decode()},
        b"",
    ),
]
named = pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)


@named
def test_a_signed_question_is_answered(case: Case) -> None:
    response = case.asked.answer()
    assert response is not None
    assert (response.status, response.body) == (200, case.said)
    assert content_type(response) == {b"{": "application/json", b"": None}.get(
        case.said[:1], "text/plain"
    )


@named
@pytest.mark.parametrize("secrets", [[b"another"], [b""]])
def test_another_secret_is_not_believed(case: Case, secrets: list[bytes]) -> None:
    """None: it is judged as an event, and so refused with its cause."""
    response = case.asked._replace(secrets=secrets).answer()
    assert response is None or (response.status == case.forged and not response.body)
    if secrets == [b""]:
        assert response is None, "that is the operator's mistake, not the sender's"


@named
def test_an_unsigned_question_is_not_answered(case: Case) -> None:
    kept = {name: v for name, v in case.asked.headers.items() if name.endswith(("Type", "State"))}
    response = case.asked._replace(headers=kept).answer()
    assert (response.status if response else None) == case.forged


@named
def test_a_source_without_a_secret_answers_nothing(case: Case) -> None:
    assert case.asked._replace(secrets=[]).answer() is None


@named
def test_without_a_secret_a_line_shows_what_the_answer_would_be(case: Case) -> None:
    response = case.asked._replace(secrets=[]).answer(assumed=True)
    assert response is not None
    assert (response.status, response.body) == (200, case.said)


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.slug)
def test_an_old_question_is_not_answered(case: Case) -> None:
    response = case.asked._replace(now=NOW + 601_000 * 2).answer()
    assert response is None or response.status == case.forged


@pytest.mark.parametrize(
    ("kind", "status", "said"), [(1, 200, b'{"type":1}'), (0, 204, b"")], ids=["ping", "event"]
)
@pytest.mark.parametrize("genuine", [True, False])
def test_discord_asks_with_good_and_with_bad_signatures(
    kind: int, status: int, said: bytes, *, genuine: bool
) -> None:
    """https://docs.discord.com/developers/interactions/overview: 401, or it takes the address."""
    key, body = Ed25519PrivateKey.generate(), b'{"type":%d}' % kind
    signature = key.sign(SECOND + body if genuine else body)
    response = Asked(
        "discord",
        headers={"X-Signature-Ed25519": signature.hex(), "X-Signature-Timestamp": SECOND.decode()},
        body=body,
        secrets=[key.public_key().public_bytes_raw().hex().encode()],
    ).answer()
    assert response is not None
    assert (response.status, response.body) == ((status, said) if genuine else (401, b""))


def test_an_event_of_discord_is_no_ping_though_its_type_is_1() -> None:
    """https://docs.discord.com/developers/events/webhook-events: there 0 is the ping."""
    key = Ed25519PrivateKey.generate()
    body = b'{"version":1,"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}'
    headers = {
        "X-Signature-Ed25519": key.sign(SECOND + body).hex(),
        "X-Signature-Timestamp": SECOND.decode(),
    }
    secrets = [key.public_key().public_bytes_raw().hex().encode()]
    assert Asked("discord", headers=headers, body=body, secrets=secrets).answer() is None


EVENT_GRID = [
    {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"},
    }
]


@pytest.mark.parametrize(("token", "answered"), [("s3", True), ("wrong", False)])
def test_event_grid_is_answered_where_its_url_holds_the_token(
    token: str, *, answered: bool
) -> None:
    """https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema."""
    asked = Asked("azure_event_grid", query={"token": token}, body=EVENT_GRID, secrets=[b"s3"])
    response = asked.answer()
    assert (response is not None) is answered
    if response is not None:
        said = {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}
        assert json.loads(response.body) == said
    options = asked._replace(
        method="OPTIONS", headers={"WebHook-Request-Origin": "a.net"}, body=b""
    )
    greeted = options.answer()
    assert greeted is not None
    assert greeted.status == (200 if answered else 403)
    assert ("WebHook-Allowed-Origin", "a.net") in greeted.headers or not answered


def test_events_that_come_with_a_validation_are_not_lost() -> None:
    batch = [*EVENT_GRID, {"eventType": "Microsoft.Storage.BlobCreated"}]
    asked = Asked("azure_event_grid", query={"token": "s3"}, body=batch, secrets=[b"s3"])
    assert asked.answer() is None


@pytest.mark.parametrize(("client", "status"), [("CBJCHBCAABAA", 200), ("another", 403)])
def test_acrobat_sign_is_told_its_own_client_id_only(client: str, status: int) -> None:
    response = Asked(
        "adobe_sign", "GET", headers={"X-AdobeSign-ClientId": client}, secrets=[b"CBJCHBCAABAA"]
    ).answer()
    assert response is not None
    assert response.status == status
    if status == 200:
        assert json.loads(response.body) == {"xAdobeSignClientId": client}
        assert ("X-AdobeSign-ClientId", client) in response.headers


SNS_KEY = generate_private_key(65_537, 2_048)
SUBSCRIBE = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=23"


def sns(url: str = SUBSCRIBE, *, signed: bool = True) -> Asked:
    """https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html."""
    message = {
        "Message": "You have chosen to subscribe to the topic.",
        "MessageId": "165545c9",
        "SubscribeURL": url,
        "Timestamp": "2025-10-09T08:53:20.054Z",
        "Token": "23",
        "TopicArn": "arn:aws:sns:us-east-1:1:t",
        "Type": "SubscriptionConfirmation",
    }
    content = "".join(f"{name}\n{message[name]}\n" for name in sorted(message))
    body = {
        **message,
        "SignatureVersion": "2",
        "Signature": rsa_sign(SNS_KEY, content.encode() if signed else b"other"),
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
    }
    keys = KeySet(anywhere=read_document(certificate(SNS_KEY)))
    return Asked("aws_sns", body=body, keys=keys)


def test_a_subscription_of_amazon_says_which_url_confirms_it() -> None:
    response = sns().answer()
    assert response is not None
    assert (response.status, response.confirm) == (200, SUBSCRIBE)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/?Token=23",
        "https://sns.us-east-1.amazonaws.com.evil.example/?Token=23",
        "https://evil.example/?sns.us-east-1.amazonaws.com",
        "https://a@evil.example/",
        "https://sns.us-east-1.amazonaws.com@evil.example/",
        "https://127.0.0.1/",
    ],
)
def test_no_other_host_is_ever_named(url: str) -> None:
    """Anybody with an account has Amazon sign; the host is pinned all the same."""
    assert sns(url).answer() is None


def test_a_forged_subscription_confirms_nothing() -> None:
    assert sns(signed=False).answer() is None
    assert sns()._replace(keys=KeySet()).answer() is None
