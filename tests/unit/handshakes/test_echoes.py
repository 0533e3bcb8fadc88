"""Challenges that are said back as they came: they prove that somebody listens, and no more."""

import json

import pytest

from ingest.verify.handshakes.reply import LONGEST_ECHO
from tests.unit.handshakes.asking import Asked, content_type

#: (slug, query name): answered as text (each provider's documentation, see handshakes.toml).
BY_QUERY = [
    ("adobe_io", "challenge"),
    ("dropbox", "challenge"),
    ("google_forms", "hub.challenge"),
    ("nylas", "challenge"),
    ("onfleet", "check"),
    ("productboard", "validationToken"),
]
BESIDE = {"google_forms": {"hub.mode": "subscribe", "hub.topic": "https://example.com/feed"}}
#: (slug, method, header of the question, header of the answer or None for text).
BY_HEADER = [
    ("azure_event_grid", "OPTIONS", "WebHook-Request-Origin", "WebHook-Allowed-Origin"),
    ("front", "POST", "X-Front-Challenge", None),
    ("ringcentral", "POST", "Validation-Token", "Validation-Token"),
    ("vercel", "GET", "x-vercel-verify", "x-vercel-verify"),
    ("vercel", "POST", "x-vercel-verify", "x-vercel-verify"),
    ("worldline", "GET", "X-GCS-Webhooks-Endpoint-Verification", None),
]


def by_query(slug: str, name: str, value: str, method: str = "GET") -> Asked:
    return Asked(slug, method, {**BESIDE.get(slug, {}), name: value})


@pytest.mark.parametrize(("slug", "name"), BY_QUERY)
def test_a_challenge_in_the_query_is_said_back_as_text(slug: str, name: str) -> None:
    response = by_query(slug, name, "a b&<c>=é").answer()
    assert response is not None
    assert (response.status, response.body.decode()) == (200, "a b&<c>=é")
    assert content_type(response) == "text/plain"
    assert ("X-Content-Type-Options", "nosniff") in response.headers, "no browser makes it HTML"


@pytest.mark.parametrize(("slug", "name"), BY_QUERY)
@pytest.mark.parametrize("value", ["", "c" * (LONGEST_ECHO + 1)])
def test_nothing_and_too_much_are_not_said_back(slug: str, name: str, value: str) -> None:
    assert by_query(slug, name, value).answer() is None


@pytest.mark.parametrize(("slug", "name"), BY_QUERY)
@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT"])
def test_another_method_asks_nothing(slug: str, name: str, method: str) -> None:
    assert by_query(slug, name, "c", method).answer() is None


@pytest.mark.parametrize(("slug", "method", "asked", "said"), BY_HEADER)
def test_a_challenge_in_a_header_is_said_back(
    slug: str, method: str, asked: str, said: str | None
) -> None:
    response = Asked(slug, method, headers={asked: "3f1e:cafe"}).answer(assumed=True)
    assert response is not None
    assert response.status == 200
    if said is None:
        assert (response.body, content_type(response)) == (b"3f1e:cafe", "text/plain")
    else:
        assert dict(response.headers)[said] == "3f1e:cafe"
        assert response.body == b""


@pytest.mark.parametrize(("slug", "method", "asked", "said"), BY_HEADER)
@pytest.mark.parametrize("value", ["a\r\nset-cookie: x=1", "a\nb", "a b", "é", "\x00", "x" * 1_025])
def test_no_sender_writes_a_header_of_ours(
    slug: str, method: str, asked: str, said: str | None, value: str
) -> None:
    response = Asked(slug, method, headers={asked: value}).answer(assumed=True)
    assert response is None or said is None
    assert response is None or len(response.headers) == 2


@pytest.mark.parametrize(
    ("slug", "name"), [("microsoft_graph", "validationToken"), ("sharepoint", "validationtoken")]
)
def test_microsofts_token_is_decoded_and_said_back_to_a_post(slug: str, name: str) -> None:
    """https://learn.microsoft.com/graph/change-notifications-delivery-webhooks: its example."""
    token = "Validation: Testing client application reachability & <x>"
    response = Asked(slug, query={name: token}, secrets=[b"state"]).answer()
    assert response is not None
    assert (response.status, response.body.decode()) == (200, token)
    assert content_type(response) == "text/plain"


@pytest.mark.parametrize("slug", ["monday", "miro"])
def test_a_body_that_is_only_a_challenge_is_said_back(slug: str) -> None:
    response = Asked(slug, body={"challenge": "3eZbrw1aBm2rZgRNFdxV"}, secrets=[b"s"]).answer()
    assert response is not None
    assert json.loads(response.body) == {"challenge": "3eZbrw1aBm2rZgRNFdxV"}
    assert content_type(response) == "application/json"


@pytest.mark.parametrize("slug", ["monday", "miro"])
@pytest.mark.parametrize(
    "body",
    [
        {"challenge": "c", "event": {"type": "update"}},
        {"challenge": ["c"]},
        {"challenge": ""},
        {"challenge": "c" * 1_025},
        ["challenge"],
        b"challenge",
        b'{"challenge":"\xff"}',
        b"",
    ],
)
def test_an_event_with_a_challenge_in_it_is_no_handshake(slug: str, body: object) -> None:
    assert Asked(slug, body=body).answer() is None


def test_okta_is_told_its_challenge_in_a_document() -> None:
    """https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request."""
    response = Asked("okta", "GET", headers={"x-okta-verification-challenge": "chal-1"}).answer()
    assert response is not None
    assert json.loads(response.body) == {"verification": "chal-1"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Smartsheet-Hook-Challenge": "d78dd1d3"}, {"challenge": "d78dd1d3", "webhookId": 77}),
        ({}, {"challenge": "d78dd1d3", "webhookId": 77}),
    ],
)
def test_smartsheet_is_answered_in_body_and_header(headers: dict[str, str], body: object) -> None:
    """https://developers.smartsheet.com/api/smartsheet/guides/webhooks/webhook-verification."""
    response = Asked("smartsheet", headers=headers, body=body).answer()
    assert response is not None
    assert json.loads(response.body) == {"smartsheetHookResponse": "d78dd1d3"}
    assert dict(response.headers)["Smartsheet-Hook-Response"] == "d78dd1d3"


def test_vercel_is_told_the_value_of_its_page_where_the_source_knows_it() -> None:
    asked = Asked("vercel", "GET", options={"verify_token": "c0ffee"})
    response = asked.answer()
    assert response is not None
    assert dict(response.headers)["x-vercel-verify"] == "c0ffee"
    assert asked._replace(options={}).answer() is None


@pytest.mark.parametrize(
    ("slug", "method", "body"),
    [
        ("circle", "HEAD", b""),
        ("intercom", "HEAD", b""),
        ("mandrill", "HEAD", b""),
        ("surveymonkey", "HEAD", b""),
        ("trello", "HEAD", b""),
        ("withings", "HEAD", b""),
        ("mailchimp", "GET", b""),
        ("unisender_go", "GET", b""),
        ("daily", "GET", b""),
        ("daily", "POST", b'{"test":"test"}'),
        ("exact_online", "POST", b""),
        ("mandrill", "POST", b"mandrill_events=%5B%5D"),
        ("moralis", "POST", b'{"chainId":"","txs":[],"logs":[],"block":{"hash":""}}'),
        ("sparkpost", "POST", b"[]"),
        ("woocommerce", "POST", b"webhook_id=12"),
        ("bitbucket_server", "POST", b'{"test":true}'),
        ("boldsign", "POST", b'{"event":{"eventType":"Verification"}}'),
        ("salesforce_mc", "POST", b'{"callbackId":"4dc4","verificationKey":"Wh7U"}'),
    ],
)
def test_a_test_that_holds_nothing_is_answered_and_not_stored(
    slug: str, method: str, body: bytes
) -> None:
    headers = {"X-Event-Key": "diagnostics:ping"} if slug == "bitbucket_server" else {}
    response = Asked(slug, method, headers=headers, body=body, secrets=[b"s"]).answer()
    assert response is not None
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize(
    ("slug", "headers", "body"),
    [
        ("exact_online", {}, b'{"Content":{},"HashCode":"A"}'),
        ("mandrill", {}, b"mandrill_events=%5B%7B%22event%22%3A%22send%22%7D%5D"),
        ("moralis", {}, b'{"chainId":"0x1","txs":[],"logs":[]}'),
        ("woocommerce", {}, b"webhook_id=12%0A"),
        ("woocommerce", {"X-WC-Webhook-Signature": "x"}, b"webhook_id=12"),
        ("daily", {}, b'{"test":"test","type":"meeting.started"}'),
        ("daily", {"X-Webhook-Signature": "x"}, b'{"test":"test"}'),
        ("ringcentral", {"Validation-Token": "t"}, b'{"event":"/restapi/v1.0/"}'),
        ("bitbucket_server", {"X-Event-Key": "pr:opened"}, b'{"test":true}'),
        (
            "salesforce_mc",
            {"x-sfmc-ens-signature": "x"},
            b'{"callbackId":"4","verificationKey":"W"}',
        ),
        ("vercel", {"x-vercel-verify": "v", "x-vercel-signature": "x"}, b"[]"),
    ],
)
def test_a_genuine_event_of_the_same_shape_is_not_swallowed(
    slug: str, headers: dict[str, str], body: bytes
) -> None:
    assert Asked(slug, headers=headers, body=body, secrets=[b"s"]).answer() is None
