"""Every provider that signs with a key pair: what is genuine passes, and nothing else does."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.verify import (
    Reason,
    Rejected,
    Request,
    Secret,
    Verified,
    load_catalogue,
    verify,
)
from ingest.verify.key_set import KeySet, NeedsKey, read_document
from tests.unit.verify.key_pair_senders import (
    EDWARDS,
    KEY_PAIR_SENDERS,
    NOW,
    OTHER,
    URL,
    KeyPairSender,
    Sent,
    certificate,
    pem,
)

#: Their keys are fetched, and a test fetches nothing: here they are given whole.
GIVEN = ("aws_sns", "paypal")
names = pytest.mark.parametrize("name", sorted(KEY_PAIR_SENDERS))


def request(sent: Sent) -> Request:
    return Request("POST", URL, tuple(sent.headers.items()), sent.body)


def genuine(name: str, at: int = NOW) -> Sent:
    sender = KEY_PAIR_SENDERS[name]
    return sender.send(sender.key, sender.body, at)


def judge(
    name: str, sent: Sent | Request, key: Any = None, now: int | None = NOW
) -> Verified | Rejected:
    sender = KEY_PAIR_SENDERS[name]
    key = key or sender.key
    asked = sent if isinstance(sent, Request) else request(sent)
    provider = load_catalogue()[name]
    if name in GIVEN:
        secrets = [Secret("s", sender.secret)] if sender.secret else []
        given = KeySet(anywhere=read_document(certificate(key)))
        return verify(provider, asked, secrets, now, keys=given)
    return verify(provider, asked, [Secret("s", pem(key))], now)


def with_header(sent: Sent, name: str, value: str | None) -> Sent:
    headers = {key: text for key, text in sent.headers.items() if key != name}
    return replace(sent, headers=headers if value is None else {**headers, name: value})


def flipped(text: str, place: int, bits: int) -> str:
    spot = place % len(text)
    return text[:spot] + chr(ord(text[spot]) ^ bits) + text[spot + 1 :]


def test_no_entry_of_these_families_goes_without_a_sender() -> None:
    families = ("ed25519", "ecdsa", "rsa")
    entries = {slug for slug, each in load_catalogue().items() if each.family in families}
    assert entries == set(KEY_PAIR_SENDERS)


@names
def test_a_genuine_request_is_verified(name: str) -> None:
    assert isinstance(judge(name, genuine(name)), Verified)


@names
def test_another_key_proves_nothing(name: str) -> None:
    family = load_catalogue()[name].family
    verdict = judge(name, genuine(name), OTHER[family])
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("name", sorted(set(KEY_PAIR_SENDERS) - set(GIVEN)))
def test_a_key_of_another_kind_is_no_usable_secret(name: str) -> None:
    family = load_catalogue()[name].family
    for other, key in OTHER.items():
        if other != family:
            verdict = judge(name, genuine(name), key)
            assert isinstance(verdict, Rejected)
            assert verdict.reason is Reason.NO_SECRET


@names
def test_a_request_without_its_signature_is_refused(name: str) -> None:
    sender, sent = KEY_PAIR_SENDERS[name], genuine(name)
    for text in (None, ""):
        bare = with_header(sent, sender.signature, text)
        if not sender.signature:
            bare = _without_field(sent, text)
        verdict = judge(name, bare)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.MISSING_SIGNATURE, verdict


def _without_field(sent: Sent, text: str | None) -> Sent:
    if not sent.body.startswith(b"{"):
        return replace(sent, body=sent.body.partition(b"&p_signature")[0])
    message: dict[str, Any] = json.loads(sent.body)
    message.pop("Signature")
    if text is not None:
        message["Signature"] = text
    return replace(sent, body=json.dumps(message).encode())


@names
def test_another_messages_signature_does_not_serve(name: str) -> None:
    sender = KEY_PAIR_SENDERS[name]
    if sender.signature:
        other = replace(genuine(name), body=b'{"id":"evt_2","event":"unmade"}')
        assert isinstance(judge(name, other), Rejected)


@names
def test_a_truncated_signature_is_refused(name: str) -> None:
    sender, sent = KEY_PAIR_SENDERS[name], genuine(name)
    if sender.signature:
        for cut in (1, 2, 4, 20):
            genuine_text = sent.headers[sender.signature]
            signature = carries(genuine_text)
            if name == "ebay":
                signature = genuine_text
            short = genuine_text.replace(signature, signature[:-cut])
            assert isinstance(judge(name, with_header(sent, sender.signature, short)), Rejected)


@pytest.mark.parametrize(
    "name", [name for name, sender in KEY_PAIR_SENDERS.items() if sender.window]
)
def test_an_old_request_is_stale_and_one_from_the_future_too(name: str) -> None:
    window = KEY_PAIR_SENDERS[name].window
    assert window is not None
    for age in (window, -window):
        assert isinstance(judge(name, genuine(name, NOW - age)), Verified)
    for age in (window + 2_000, -window - 2_000):
        verdict = judge(name, genuine(name, NOW - age))
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.STALE_TIMESTAMP


@names
@given(place=st.integers(min_value=0), bits=st.integers(1, 127))
def test_any_character_of_the_body_changed_is_refused(name: str, place: int, bits: int) -> None:
    """Unless it is in no signed field, or the change means the same: only SNS and forms."""
    sent = genuine(name)
    text = sent.body.decode("latin-1")
    changed = replace(sent, body=flipped(text, place, bits).encode("latin-1"))
    verdict = judge(name, changed)
    if isinstance(verdict, Verified):
        assert says(name, changed.body) == says(name, sent.body)


def says(name: str, body: bytes) -> object:
    """What a body says in the fields that are signed, for those of which not all are."""
    if name == "aws_sns":
        message: Mapping[str, Any] = json.loads(body)
        return {key: message.get(key) for key in ("Message", "MessageId", "TopicArn", "Type")}
    if name in ("travis_ci", "paddle_classic"):
        return [pair for pair in parse_qsl(body.decode("latin-1")) if pair[0] != "p_signature"]
    return body


@names
@given(which=st.integers(min_value=0), place=st.integers(min_value=0), bits=st.integers(1, 127))
def test_any_character_of_a_signed_header_changed_is_refused(
    name: str, which: int, place: int, bits: int
) -> None:
    sender, sent = KEY_PAIR_SENDERS[name], genuine(name)
    signed = [each for each in (sender.signature, *sender.covered) if each]
    if not signed:
        return
    header = signed[which % len(signed)]
    changed = with_header(sent, header, flipped(sent.headers[header], place, bits))
    verdict = judge(name, changed)
    if isinstance(verdict, Verified):
        before, after = (carries(each.headers[header]) for each in (sent, changed))
        in_hex = header == sender.signature and load_catalogue()[name].encoding == "hex_any"
        assert after == before or (in_hex and after.lower() == before.lower())


def carries(header: str) -> str:
    """The part of a header that is a signature or signed: labels beside it prove nothing."""
    pairs = dict(part.strip().partition("=")[::2] for part in header.split(","))
    found = next((pairs[key] for key in ("signature", "v0") if key in pairs), header)
    if not header.startswith("eyJ"):
        return found.strip('"')
    try:
        plain = header.translate(str.maketrans("-_", "+/"))  # either alphabet is read
        return str(json.loads(base64.b64decode(plain + "=="))["signature"])
    except ValueError:
        return found.strip('"')


@given(
    name=st.sampled_from(sorted(KEY_PAIR_SENDERS)),
    values=st.lists(st.text(max_size=60), min_size=8, max_size=8),
    body=st.binary(max_size=120) | st.just(b"[" * 500) | st.just(b'{"Type":"Notification"}'),
    secret=st.binary(max_size=60),
    now=st.none() | st.integers(0, 2**53),
)
def test_noise_is_refused_and_never_an_error(
    name: str, values: list[str], body: bytes, secret: bytes, now: int | None
) -> None:
    headers = tuple(zip(genuine(name).headers, values, strict=False))
    asked = Request("POST", values[0], headers, body)
    for secrets in ([], [Secret("s", secret)], [Secret("s", pem(KEY_PAIR_SENDERS[name].key))]):
        assert isinstance(verify(load_catalogue()[name], asked, secrets, now), Rejected)


def test_a_published_key_is_asked_for_where_it_is_pinned() -> None:
    verdict = verify(load_catalogue()["aws_sns"], request(genuine("aws_sns")), [], NOW)
    assert isinstance(verdict, NeedsKey)
    assert verdict.url == ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem")


def test_a_fetched_certificate_proves_only_while_it_is_valid_and_under_its_own_url() -> None:
    keys = read_document(certificate(KEY_PAIR_SENDERS["aws_sns"].key))
    asked, provider = request(genuine("aws_sns")), load_catalogue()["aws_sns"]
    url = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"
    assert isinstance(verify(provider, asked, [], NOW, keys=KeySet({url: keys})), Verified)
    late = NOW + 3 * 366 * 86_400_000
    assert isinstance(verify(provider, asked, [], late, keys=KeySet({url: keys})), NeedsKey)
    elsewhere = KeySet({url.replace("us-east-1", "eu-west-1"): keys})
    assert isinstance(verify(provider, asked, [], NOW, keys=elsewhere), NeedsKey)


@pytest.mark.parametrize(
    "url", ["http://sns.us-east-1.amazonaws.com/a.pem", "https://evil.example/a.pem", "x", 7, None]
)
def test_a_certificate_anywhere_else_is_refused_whatever_is_known(url: object) -> None:
    sent = genuine("aws_sns")
    message = {**json.loads(sent.body), "SigningCertURL": url}
    verdict = judge("aws_sns", replace(sent, body=json.dumps(message).encode()))
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.MALFORMED_SIGNATURE


def test_a_key_that_the_documentation_prints_needs_no_secret() -> None:
    """Without a secret the printed key alone counts; with one, that one alone."""
    provider = load_catalogue()["highlevel_ed25519"]
    asked = request(genuine("highlevel_ed25519"))
    assert isinstance(verify(provider, asked, [Secret("s", pem(EDWARDS))], NOW), Verified)
    verdict = verify(provider, asked, [], NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.BAD_SIGNATURE
    printed = provider.model_copy(update={"published_keys": (pem(EDWARDS).decode(),)})
    assert isinstance(verify(printed, asked, [], NOW), Verified)


def test_the_webhook_id_of_paypal_is_signed_and_is_a_secret_of_the_source() -> None:
    sender: KeyPairSender = KEY_PAIR_SENDERS["paypal"]
    asked, provider = request(genuine("paypal")), load_catalogue()["paypal"]
    given = KeySet(anywhere=read_document(certificate(sender.key)))
    for value, proven in ((b"WH-1", True), (b"WH-2", False), (b"", False)):
        verdict = verify(provider, asked, [Secret("s", value)], NOW, keys=given)
        assert isinstance(verdict, Verified) is proven


def test_the_webhook_id_of_paypal_may_be_an_option() -> None:
    asked, provider = request(genuine("paypal")), load_catalogue()["paypal"]
    given = KeySet(anywhere=read_document(certificate(KEY_PAIR_SENDERS["paypal"].key)))
    for value, proven in (("WH-1", True), ("WH-2", False)):
        options = {"webhook_id": value}
        verdict = verify(provider, asked, [], NOW, keys=given, options=options)
        assert isinstance(verdict, Verified) is proven


def test_the_algorithm_that_paypal_names_must_be_the_one_it_uses() -> None:
    sent = genuine("paypal")
    for named, proven in (("SHA256withRSA", True), (None, True), ("SHA1withRSA", False)):
        verdict = judge("paypal", with_header(sent, "PAYPAL-AUTH-ALGO", named))
        assert isinstance(verdict, Verified) is proven


def test_discords_signature_may_be_of_any_case() -> None:
    """discord-interactions and discord.js decode it."""
    sent = genuine("discord")
    upper = sent.headers["X-Signature-Ed25519"].upper()
    assert isinstance(judge("discord", with_header(sent, "X-Signature-Ed25519", upper)), Verified)


def test_a_topic_that_is_not_the_sources_is_refused_although_amazon_signed_it() -> None:
    asked, provider = request(genuine("aws_sns")), load_catalogue()["aws_sns"]
    given = KeySet(anywhere=read_document(certificate(KEY_PAIR_SENDERS["aws_sns"].key)))
    for topic, proven in (
        ("arn:aws:sns:us-east-1:1:t", True),
        ("arn:aws:sns:us-east-1:2:t", False),
    ):
        options = {"topic_arn": topic}
        verdict = verify(provider, asked, [], NOW, keys=given, options=options)
        assert isinstance(verdict, Verified) is proven


def test_a_message_of_another_topic_asks_for_no_key() -> None:
    """Else whoever invents certificates would use up what may be asked of Amazon."""
    provider = load_catalogue()["aws_sns"]
    options = {"topic_arn": "arn:aws:sns:us-east-1:2:t"}
    verdict = verify(provider, request(genuine("aws_sns")), [], NOW, options=options)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.BAD_SIGNATURE


def test_a_field_of_paddle_that_comes_twice_proves_nothing() -> None:
    """PHP signed the last one, and a reader may take the first."""
    sent = genuine("paddle_classic")
    name = sent.body.partition(b"=")[0]
    assert isinstance(judge("paddle_classic", sent), Verified)
    doubled = replace(sent, body=name + b"=9999&" + sent.body)
    assert isinstance(judge("paddle_classic", doubled), Rejected)
