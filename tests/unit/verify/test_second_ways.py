"""Where a provider has a second way: another header, another key, another form of the same."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from ingest.verify import Request, custom_provider, load_catalogue
from ingest.verify.lines import verify_line
from ingest.verify.places import Reading
from tests.unit.verify.formulas import BODY, KEY, NOW, OTHER_KEY, read_formulas

FORMULAS = read_formulas()
TEXT = BODY.decode()


def valid(provider: str, headers: dict[str, Any], body: str = TEXT, **more: object) -> bool:
    line = {
        "provider": provider,
        "method": "POST",
        "url": "https://hooks.example.com/in/acme?a=1",
        "headers": headers,
        "body": body,
        "now": NOW,
        **more,
    }
    said = verify_line(line, load_catalogue())["valid"]
    assert isinstance(said, bool)
    return said


def _mac(key: bytes | str, content: bytes | str, digest: str = "sha256") -> bytes:
    key = key.encode() if isinstance(key, str) else key
    return hmac.new(key, content.encode() if isinstance(content, str) else content, digest).digest()


def _base64(made: bytes) -> str:
    return base64.b64encode(made).decode()


def _standard(key: bytes | str, prefix: str = "v1,") -> dict[str, str]:
    signature = _base64(_mac(key, f"i1.{NOW}.{TEXT}"))
    return {
        "webhook-id": "i1",
        "webhook-timestamp": str(NOW),
        "webhook-signature": prefix + signature,
    }


def test_orb_says_its_time_without_an_offset() -> None:
    """The constant of orb-python's ``tests/api_resources/test_webhooks.py``."""
    body = (
        '{"id": "o4mmewpfNNTnjfZc", "created_at": "2024-03-27T15:42:29+00:00", '
        '"type": "resource_event.test", "properties": {"message": "A test webhook from Orb. '
        'Happy testing!"}}'
    )
    signature = "9d25de966891ab0bc18754faf8d83d0980b44ae330fcc130b41a6cf3daf1f391"
    headers = {"X-Orb-Timestamp": "2024-03-27T15:42:29.551", "X-Orb-Signature": f"v1={signature}"}
    secret = "c-UGKYdnhHh436B_sMouYAPUvXyWpzOdunZBV5dFSD8"
    assert valid("orb", headers, body, secret=secret, now=1_711_554_149)
    assert not valid("orb", headers, body, secret=secret, now=1_711_554_149 + 301)
    assert not valid("orb", headers, body, secret=secret, now=1_711_554_149 - 301)


SECRET = "whsec_" + _base64(KEY)


def test_creem_signs_as_standard_webhooks_or_as_it_used_to() -> None:
    """creem for Node looks for the first, and takes a prefix and any case in the second."""
    assert valid("creem", _standard(KEY), secret=SECRET)
    assert not valid("creem", _standard(OTHER_KEY), secret=SECRET)
    assert not valid("creem", _standard(KEY), secret=SECRET, now=NOW + 301)
    legacy = _mac(SECRET, TEXT).hex()
    assert valid("creem", {"creem-signature": f"sha256={legacy.upper()}"}, secret=SECRET)
    assert valid("creem", {"x-creem-signature": legacy}, secret=SECRET)
    # A signature of the first kind is judged alone: one of the other does not make up for it.
    assert not valid("creem", {**_standard(OTHER_KEY), "creem-signature": legacy}, secret=SECRET)


def test_flutterwave_has_a_token_and_since_version_4_a_signature() -> None:
    signed = {"flutterwave-signature": _base64(_mac("k", TEXT))}
    assert valid("flutterwave", signed, secret="k")
    assert valid("flutterwave", {"verif-hash": "k"}, secret="k")
    assert not valid("flutterwave", {"verif-hash": "k", "flutterwave-signature": "x"}, secret="k")
    assert not valid("flutterwave", signed, "{}", secret="k")


def test_a_token_may_not_stand_in_for_a_signature() -> None:
    scheme = {"family": "hmac", "header": "X-Sig", "alternatives": [{"family": "none"}]}
    with pytest.raises(ValueError, match="an alternative signs"):
        custom_provider("acme", scheme)


def test_what_is_said_of_a_provider_is_not_said_of_one_of_its_ways() -> None:
    """The receiver reads it once: in an alternative it would be believed, and not done."""
    other = {"family": "hmac", "header": "X-New-Sig"}
    scheme = {"family": "hmac", "header": "X-Sig"}
    for word, value in (("failure_status", 403), ("credential_headers", ["X-Session"])):
        with pytest.raises(ValueError, match=f"{word}: said once"):
            custom_provider("acme", {**scheme, "alternatives": [{**other, word: value}]})
    assert custom_provider("acme", {**scheme, "failure_status": 403, "alternatives": [other]})


@pytest.mark.parametrize("key", [KEY, SECRET, SECRET.removeprefix("whsec_")])
def test_polars_secret_is_text_or_what_the_text_encodes(key: bytes | str) -> None:
    """polar-sdk for Python tries both."""
    shown = key if isinstance(key, str) else SECRET
    assert valid("polar", _standard(key), secret=shown)
    assert not valid("polar", _standard(OTHER_KEY), secret=shown)


def test_openais_secret_is_text_where_it_has_no_prefix() -> None:
    bare = _base64(KEY)
    assert valid("openai", _standard(KEY), secret=SECRET)
    assert valid("openai", _standard(bare), secret=bare)
    assert not valid("openai", _standard(KEY), secret=bare)
    assert valid("openai", _standard(KEY, prefix=""), secret=SECRET)
    assert not valid("openai", _standard(KEY, prefix="v2,"), secret=SECRET)


def test_supabase_shows_several_secrets_as_one() -> None:
    both = f"v1,whsec_{_base64(OTHER_KEY)}|v1,whsec_{_base64(KEY)}"
    assert valid("supabase", _standard(KEY), secret=both)
    assert valid("supabase", _standard(OTHER_KEY), secret=both)
    assert not valid("supabase", _standard(b"a third one"), secret=both)
    for nothing in ("|", "|v1,whsec_|"):
        assert not valid("supabase", _standard(b""), secret=nothing)


@pytest.mark.parametrize(
    ("provider", "first", "second"),
    [
        ("hookdeck", "x-hookdeck-signature", "x-hookdeck-signature-2"),
        ("primer", "X-Signature-Primary", "X-Signature-Secondary"),
    ],
)
def test_while_secrets_are_rotated_either_header_proves(
    provider: str, first: str, second: str
) -> None:
    ours, theirs = _base64(_mac("ours", TEXT)), _base64(_mac("theirs", TEXT))
    assert valid(provider, {first: theirs, second: ours}, secret="ours")
    assert valid(provider, {first: ours, second: theirs}, secret="ours")
    assert valid(provider, {second: ours}, secret="ours")
    assert not valid(provider, {first: theirs, second: theirs}, secret="ours")


@pytest.mark.parametrize(
    ("provider", "header", "encode"),
    [
        ("kontent_ai", "X-KC-Signature", _base64),
        ("shortcut", "Clubhouse-Signature", bytes.hex),
        ("attio", "X-Attio-Signature", bytes.hex),
        ("uber", "x-postmates-signature", bytes.hex),
    ],
)
def test_a_header_of_before_counts_where_the_new_one_is_missing(
    provider: str, header: str, encode: Any
) -> None:
    assert valid(provider, {header: encode(_mac("k", TEXT))}, secret="k")
    assert not valid(provider, {header: encode(_mac("x", TEXT))}, secret="k")


@pytest.mark.parametrize("provider", ["microsoft_graph", "sharepoint"])
def test_every_item_of_a_batch_must_hold_the_token(provider: str) -> None:
    def held(*states: object) -> bool:
        items = [{"clientState": state} if state else {} for state in states]
        return valid(provider, {}, json.dumps({"value": items}), secret="s")

    assert held("s")
    assert held("s", "s")
    for states in (("s", "x"), ("x", "s"), ("s", None), (), (["s"],), ({"0": "s"},)):
        assert not held(*states)
    assert not valid(provider, {}, '{"value":{"0":{"clientState":"s"}}}', secret="s")


def test_a_whole_header_may_be_the_secret() -> None:
    bearer = {"Authorization": "Bearer abc"}
    assert valid("revenuecat", bearer, secret="Bearer abc")
    assert valid("revenuecat", bearer, secret="abc")
    assert not valid("revenuecat", bearer, secret="Bearer ")
    assert not valid("okta", bearer, secret="abc")  # Okta knows no prefix


def test_stripes_blanks_count_as_in_its_library() -> None:
    line = FORMULAS["stripe"].line()
    header = line["headers"]["Stripe-Signature"]
    for spelled in (header.replace(",", ", "), f" {header}", f"{header} "):
        assert not valid("stripe", {"Stripe-Signature": spelled}, secret=line["secret"])
    assert valid("stripe", {"Stripe-Signature": f"{header},v1=00,v0=00"}, secret=line["secret"])


def test_box_signs_nothing_in_the_future() -> None:
    def at(second: int) -> bool:
        stamp = f"2025-10-09T08:53:{second:02}Z"
        headers = {
            "BOX-DELIVERY-TIMESTAMP": stamp,
            "BOX-SIGNATURE-VERSION": "1",
            "BOX-SIGNATURE-ALGORITHM": "HmacSHA256",
            "BOX-SIGNATURE-PRIMARY": _base64(_mac("k", TEXT + stamp)),
        }
        return valid("box", headers, secret="k")

    assert at(20)  # which is now
    assert at(19)
    assert not at(21)


def test_segment_signs_what_javascript_would_write() -> None:
    spaced = '{"type": "track", "messageId": "m", "amount": 10.50, "name": "Zoë"}'
    written = '{"type":"track","messageId":"m","amount":10.5,"name":"Zoë"}'
    for signed in (spaced, written):
        headers = {"X-Signature": _mac("k", signed, "sha1").hex()}
        assert valid("segment", headers, spaced, secret="k")
        assert valid("segment", headers, f"[{spaced}, {{}}]", secret="k")
        assert not valid("segment", headers, f"[{{}}, {spaced}]", secret="k")
        assert not valid("segment", headers, spaced.replace("10.50", "10.51"), secret="k")


def test_dropbox_signs_event_comes_as_a_field_or_alone() -> None:
    made = _mac("k", "1234account_updated").hex()
    event = {"event_time": "1234", "event_type": "account_updated", "event_hash": made}
    told = json.dumps({"event": event})
    assert valid("dropbox_sign", {}, told, secret="k")
    assert valid("dropbox_sign", {}, f"json={told}", secret="k")
    changed = told.replace("1234", "1235")
    assert not valid("dropbox_sign", {}, changed, secret="k")
    assert not valid("dropbox_sign", {}, f"json={changed}", secret="k")


def test_gitea_signs_the_payload_of_a_get_too() -> None:
    headers = {"X-Gitea-Signature": _mac("k", '{"a":1}').hex()}
    url = "https://hooks.example.com/in/acme?payload=%7B%22a%22%3A1%7D"
    assert valid("gitea", headers, "", secret="k", url=url, method="GET")
    assert not valid("gitea", headers, "", secret="k", url=url.replace("1", "2"), method="GET")
    assert not valid("gitea", headers, "{}", secret="k", url=url, method="GET")
    assert not valid("gitea", headers, "", secret="k", url=url)


def test_a_number_of_a_clock_may_be_of_any_unit_where_nobody_documents_it() -> None:
    for stamp in (f"{NOW}", f"{NOW}000", "2025-10-09T08:53:20Z", "Thu, 09 Oct 2025 08:53:20 GMT"):
        headers = {
            "X-BambooHR-Timestamp": stamp,
            "X-BambooHR-Signature": _mac("k", TEXT + stamp).hex(),
        }
        assert valid("bamboohr", headers, secret="k")
        assert not valid("bamboohr", headers, secret="k", now=NOW + 301)


def test_sanitys_time_is_of_any_age_but_in_milliseconds() -> None:
    """As @sanity/webhook, which refuses what is no time in ms since 2021."""

    def at(stamp: str) -> bool:
        made = base64.urlsafe_b64encode(_mac("k", f"{stamp}.{TEXT}")).decode().rstrip("=")
        return valid("sanity", {"sanity-webhook-signature": f"t={stamp},v1={made}"}, secret="k")

    assert at("1633519811129")
    assert not at(str(NOW))


def test_hashing_a_body_is_no_signature() -> None:
    """Sellsy and HubSpot put the secret into a plain digest: without it there is none."""
    for provider, header, digest in (
        ("sellsy", "x-webhook-signature", hashlib.sha1),
        ("hubspot_v1", "X-HubSpot-Signature", hashlib.sha256),
    ):
        assert not valid(provider, {header: digest(BODY).hexdigest()}, secret="")
        assert not valid(provider, {header: digest(BODY).hexdigest()}, secret=" ")


@pytest.mark.parametrize(
    ("provider", "body", "signed", "header"),
    [
        ("linear", '{"type":"Issue","action":"create"}', "Issue.create", "Linear-Event"),
        ("cursor", '{"event":"statusChange"}', "statusChange", "X-Webhook-Event"),
        ("buildkite", '{"event":"build.finished"}', "build.finished", "X-Buildkite-Event"),
        (
            "twitch",
            '{"subscription":{"type":"channel.follow"}}',
            "channel.follow",
            "Twitch-Eventsub-Subscription-Type",
        ),
        ("gitlab_signed", '{"object_kind":"push"}', "push", "X-Gitlab-Event"),
    ],
)
def test_the_type_that_is_signed_goes_before_the_one_that_is_not(
    provider: str, body: str, signed: str, header: str
) -> None:
    entry = load_catalogue()[provider]
    reading = Reading(Request("POST", "", ((header, "forged"),), body.encode()))
    found = entry.event_type.extract(reading) if entry.event_type else None
    assert found is not None
    assert found.text == signed
    assert entry.signed_atoms.issuperset(found.atoms)


@pytest.mark.parametrize(
    "scheme",
    [
        {"family": "token", "header": "X-Token", "every_item": True},
        {"family": "token", "signature": "body:token", "every_item": True},
        {"family": "hmac", "header": "X-Sig", "every_item": True},
    ],
)
def test_every_item_wants_a_list_of_items(scheme: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="every_item"):
        custom_provider("acme", scheme)


@pytest.mark.parametrize(
    ("provider", "secret", "body", "headers", "at"),
    [
        (  # finch-api-python, tests/api_resources/test_webhooks.py
            "finch",
            "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
            '{"company_id":"720be419-0293-4d32-a707-32179b0827ab"}',
            {
                "Finch-Event-Id": "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj",
                "Finch-Timestamp": "1676312382",
                "Finch-Signature": "v1,m7y0TV2C+hlHxU42wCieApTSTaA8/047OAplBqxIV/s=",
            },
            1_676_312_382,
        ),
        (  # @sanity/webhook, test/signature.test.ts
            "sanity",
            "test",
            '{"_id":"resume"}',
            {
                "sanity-webhook-signature": "t=1633519811129,"
                "v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0"
            },
            NOW,
        ),
    ],
    ids=["finch", "sanity"],
)
def test_what_an_official_library_publishes_is_taken(
    provider: str, secret: str, body: str, headers: dict[str, str], at: int
) -> None:
    assert valid(provider, headers, body, secret=secret, now=at)
    assert not valid(provider, headers, f"{body} ", secret=secret, now=at)
    assert not valid(provider, headers, body, secret=f"{secret}BBBB", now=at)
