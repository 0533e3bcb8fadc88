"""Challenges that are answered by a digest under the source's secret, and by nothing else."""

import base64
import hashlib
import hmac
import json

import pytest

from ingest.verify import Reason, Rejected, Request, Secret, load_catalogue, verify
from tests.unit.handshakes.asking import Asked

SECRET = b"zoomsecret"
SHA256 = hmac.new(SECRET, b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256)
CODE = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
CODE_HEX = hmac.new(SECRET, CODE.encode(), hashlib.sha256).hexdigest()

ZOOM = Asked(
    "zoom",
    body={"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}},
    secrets=[SECRET],
)
LINKEDIN = Asked("linkedin", "GET", {"challengeCode": CODE}, secrets=[SECRET])
X = Asked("x_twitter", "GET", {"crc_token": "qgg8vlvZRS6UYooatFL8Aw"}, secrets=[SECRET])
SMARTCAR = Asked(
    "smartcar", body={"eventType": "VERIFY", "data": {"challenge": CODE}}, secrets=[SECRET]
)
SMARTCAR_2 = Asked(
    "smartcar",
    body={"version": "2.0", "eventName": "verify", "payload": {"challenge": CODE}},
    secrets=[SECRET],
)
WRIKE = Asked(
    "wrike",
    headers={"X-Hook-Secret": CODE},
    body={"requestType": "WebHook secret verification"},
    secrets=[SECRET],
)
BRAINTREE = Asked(
    "braintree",
    "GET",
    # braintree_python, tests/unit/test_webhooks.py
    {"bt_challenge": "20f9f8ed05f77439fe955c977e4c8a53"},
    options={"public_key": "integration_public_key"},
    secrets=[b"integration_private_key"],
)
EBAY = Asked(
    "ebay",
    "GET",
    {"challenge_code": "a8628072-3d33-45ee-9004-bee86830a22d"},
    options={
        "verification_token": "71745723-d031-455c-bfa5-f90d11b4f20a",
        "endpoint": "http://www.testendpoint.com/webhook",
    },
)
DOCUMENTS = [
    (
        ZOOM,
        {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": SHA256.hexdigest()},
    ),
    (LINKEDIN, {"challengeCode": CODE, "challengeResponse": CODE_HEX}),
    (X, {"response_token": "sha256=" + base64.b64encode(SHA256.digest()).decode()}),
    (SMARTCAR, {"challenge": CODE_HEX}),
    (SMARTCAR_2, {"challenge": CODE_HEX}),
    # event-notification-nodejs-sdk, test/test.js: its token, endpoint and answer
    (
        EBAY,
        {"challengeResponse": "ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb"},
    ),
]
KEYED = [ZOOM, LINKEDIN, X, SMARTCAR, SMARTCAR_2, WRIKE, BRAINTREE]


@pytest.mark.parametrize(("asked", "said"), DOCUMENTS, ids=lambda one: getattr(one, "slug", ""))
def test_the_digest_of_the_challenge_is_the_answer(asked: Asked, said: object) -> None:
    response = asked.answer()
    assert response is not None
    assert response.status == 200
    assert json.loads(response.body) == said


def test_wrike_is_answered_in_a_header() -> None:
    response = WRIKE.answer()
    assert response is not None
    assert dict(response.headers)["X-Hook-Secret"] == CODE_HEX


def test_braintree_is_answered_as_its_sdk_does() -> None:
    response = BRAINTREE.answer()
    assert response is not None
    said = "integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4"
    assert response.body.decode() == said


@pytest.mark.parametrize("asked", KEYED, ids=lambda asked: asked.slug)
def test_without_a_secret_there_is_no_answer(asked: Asked) -> None:
    assert asked._replace(secrets=[]).answer() is None
    assert asked._replace(secrets=[b""]).answer() is None


@pytest.mark.parametrize("missing", ["verification_token", "endpoint"])
def test_ebay_is_not_answered_without_both_options(missing: str) -> None:
    options = {name: value for name, value in EBAY.options.items() if name != missing}
    assert EBAY._replace(options=options).answer() is None


#: What each provider signs of an event, as a challenge: who had it signed could forge the event.
FORGERIES = [
    '{"event":"meeting.started"}',
    'v0:1654503849:{"event":"meeting.started"}',
    "v0:1654503849:abc",
    'hmacsha256={"type":"ORGANIZATION_SOCIAL_ACTION"}',
    "hmacsha256=abc",
    "PD94bWwg\n",
    "<notification/>",
    "[1]",
    '"text"',
    "a b",
    "é",
]


@pytest.mark.parametrize("asked", KEYED, ids=lambda asked: asked.slug)
@pytest.mark.parametrize("forgery", FORGERIES)
def test_nobody_has_an_event_signed_by_asking_for_a_challenge(asked: Asked, forgery: str) -> None:
    """The secret that answers is the one that signs events: an oracle for free, if unguarded."""
    challenge = next(
        value
        for value in (CODE, "qgg8vlvZRS6UYooatFL8Aw", "20f9f8ed05f77439fe955c977e4c8a53")
        if value in (*asked.query.values(), *asked.headers.values()) or value in str(asked.body)
    )
    body = json.loads(json.dumps(asked.body or {}).replace(challenge, "CHALLENGE"))
    text = json.dumps(body).replace('"CHALLENGE"', json.dumps(forgery))
    forged = asked._replace(
        query=dict.fromkeys(asked.query, forgery),
        headers=dict.fromkeys(asked.headers, forgery),
        body=text.encode() if asked.body else b"",
    )
    assert forged.answer() is None


@pytest.mark.parametrize("challenge", ["12345", "true", "20f9f8ed05f77439fe955c977e4c8a53"])
@pytest.mark.parametrize("slug", ["x_twitter", "smartcar", "wrike", "braintree"])
def test_an_answer_that_is_posted_back_is_no_event(slug: str, challenge: str) -> None:
    """Anybody may ask for it, and the same secret signs events."""
    digest = hmac.new(SECRET, challenge.encode(), hashlib.sha256)
    made = {
        "x_twitter": ("x-twitter-webhooks-signature", base64.b64encode(digest.digest()).decode()),
        "smartcar": ("SC-Signature", digest.hexdigest()),
        "wrike": ("X-Hook-Signature", digest.hexdigest()),
    }
    body = challenge.encode()
    headers: tuple[tuple[str, str], ...] = ()
    if slug == "braintree":
        key = hashlib.sha1(SECRET).digest()
        signature = hmac.new(key, body, hashlib.sha1).hexdigest()
        body = f"bt_signature=k%7C{signature}&bt_payload={challenge}".encode()
    else:
        name, signature = made[slug]
        prefix = load_catalogue()[slug].prefix
        headers = ((name, f"{prefix}{signature}"),)
    verdict = verify(
        load_catalogue()[slug], Request("POST", "/", headers, body), [Secret("s", SECRET)], None
    )
    # Braintree's challenges are hexadecimal; anything else nobody gets signed.
    asked = slug != "braintree" or len(challenge) == 32
    assert isinstance(verdict, Rejected) is asked
    assert not isinstance(verdict, Rejected) or verdict.reason is not Reason.MISSING_SIGNATURE


def test_while_secrets_rotate_the_one_that_signed_answers() -> None:
    """Zoom signs its question too; an account that has the new secret wants the new digest."""
    body = json.dumps(ZOOM.body).encode()
    signed = b"v0:1700000000:" + body
    headers = {
        "x-zm-request-timestamp": "1700000000",
        "x-zm-signature": "v0=" + hmac.new(b"new", signed, hashlib.sha256).hexdigest(),
    }
    asked = ZOOM._replace(body=body, headers=headers, secrets=[SECRET, b"new"])
    response = asked._replace(now=1_700_000_000_000).answer()
    assert response is not None
    wanted = hmac.new(b"new", b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert json.loads(response.body)["encryptedToken"] == wanted
