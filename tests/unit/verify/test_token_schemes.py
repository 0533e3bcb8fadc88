"""Every provider that sends a JSON Web Token: what is genuine passes, and nothing else does."""

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_decode, base64url_encode

from ingest.verify import Reason, Rejected, Request, Secret, Verified, load_catalogue, verify
from ingest.verify.key_set import KeySet, NeedsKey
from ingest.verify.public_keys import PublicKey
from tests.unit.verify.token_senders import (
    BODY,
    NOW,
    OTHER_RSA,
    OTHER_SECRET,
    RSA,
    SECRET,
    TOKEN_SENDERS,
    URL,
    Sent,
    TokenSender,
)

BOUND = [name for name, sender in TOKEN_SENDERS.items() if sender.binds_body]
PAIRED = [name for name, sender in TOKEN_SENDERS.items() if not sender.algorithm.startswith("HS")]
SHARED = sorted(set(TOKEN_SENDERS) - set(PAIRED))
CLAIMING = [name for name, sender in TOKEN_SENDERS.items() if sender.detached is None]
names = pytest.mark.parametrize("name", sorted(TOKEN_SENDERS))


def pem(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made


def secret_of(sender: TokenSender) -> Secret:
    return Secret("s", sender.key if isinstance(sender.key, bytes) else pem(sender.key))


def judge(
    name: str,
    sent: Sent,
    secrets: list[Secret] | None = None,
    now: int | None = NOW,
    keys: KeySet | None = None,
    url: str = URL,
) -> Verified | Rejected:
    sender = TOKEN_SENDERS[name]
    asked = Request("POST", url, tuple(sent.headers.items()), sent.body)
    held = [secret_of(sender)] if secrets is None else secrets
    return verify(
        load_catalogue()[name], asked, held, now, keys=keys or KeySet(), options=sender.options
    )


def reason(verdict: Verified | Rejected) -> Reason | None:
    return verdict.reason if isinstance(verdict, Rejected) else None


def test_no_entry_of_this_family_goes_without_a_sender() -> None:
    entries = {slug for slug, each in load_catalogue().items() if each.family == "jwt"}
    assert entries - {"apple_assn"} == set(TOKEN_SENDERS)


@names
def test_a_genuine_request_is_verified(name: str) -> None:
    assert isinstance(judge(name, TOKEN_SENDERS[name].send()), Verified)


@names
def test_another_secret_proves_nothing(name: str) -> None:
    sender = TOKEN_SENDERS[name]
    other = {"HS": OTHER_SECRET, "RS": pem(OTHER_RSA)}.get(sender.algorithm[:2])
    if other is not None:
        verdict = judge(name, sender.send(), [Secret("s", other)])
        assert reason(verdict) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("name", PAIRED)
def test_a_fetched_key_counts_by_its_id_and_an_unknown_one_is_asked_for(name: str) -> None:
    sender, provider = TOKEN_SENDERS[name], load_catalogue()[name]
    if provider.key_source is None:
        return
    needs = judge(name, sender.send(), [])
    assert isinstance(needs, NeedsKey)
    assert needs.key_id == "key-1"
    public = sender.key.public_key()
    known = KeySet({needs.url: [PublicKey(public, "key-1"), PublicKey(public, "key-2")]})
    assert isinstance(judge(name, sender.send(), [], keys=known), Verified)
    other = KeySet({needs.url: [PublicKey(public, "key-2")]})
    lacking = judge(name, sender.send(), [], keys=other)
    assert isinstance(lacking, NeedsKey)
    assert lacking.document_known


@pytest.mark.parametrize("name", PAIRED)
def test_a_token_signed_with_the_text_of_the_public_key_is_refused(name: str) -> None:
    """Algorithm confusion, with the forged token in the genuine one's place."""
    sender = TOKEN_SENDERS[name]
    for text in (pem(sender.key), pem(sender.key).strip()):
        forged = hmac_forged(sender, text)
        assert reason(judge(name, forged)) in (Reason.MALFORMED_SIGNATURE, Reason.NO_SECRET)


def hmac_forged(sender: TokenSender, key: bytes) -> Sent:
    def carry(token: str, body: bytes) -> Sent:
        head, payload, _ = token.split(".")
        header = {**json.loads(base64url_decode(head)), "alg": "HS256"}
        return sender.carry(forge(header, payload, key), body)

    return replace(sender, carry=carry).send()


def forge(header: dict[str, Any], payload: str, key: bytes) -> str:
    head = base64url_encode(json.dumps(header).encode()).decode()
    mac = hmac.digest(key, f"{head}.{payload}".encode(), hashlib.sha256)
    return f"{head}.{payload}.{base64url_encode(mac).decode()}"


@names
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_is_refused(name: str, algorithm: str) -> None:
    sender = TOKEN_SENDERS[name]

    def carry(token: str, body: bytes) -> Sent:
        _, payload, signature = token.split(".")
        head = base64url_encode(f'{{"alg":"{algorithm}"}}'.encode()).decode()
        return sender.carry(f"{head}.{payload}.{signature}", body)

    unsigned = replace(sender, carry=carry).send()
    assert reason(judge(name, unsigned)) is Reason.MALFORMED_SIGNATURE

    def carry_bare(token: str, body: bytes) -> Sent:
        return sender.carry(token.rsplit(".", 1)[0] + ".", body)

    bare = replace(sender, carry=carry_bare).send()
    assert reason(judge(name, bare)) is Reason.MALFORMED_SIGNATURE


@pytest.mark.parametrize("name", SHARED)
def test_an_algorithm_that_is_not_the_entrys_is_refused(name: str) -> None:
    sender = TOKEN_SENDERS[name]
    other = replace(sender, algorithm="RS256", key=RSA)
    assert reason(judge(name, other.send())) is Reason.MALFORMED_SIGNATURE


@names
def test_keys_that_a_token_brings_along_are_ignored(name: str) -> None:
    sender = TOKEN_SENDERS[name]
    if sender.algorithm == "RS256":
        own = jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_RSA.public_key(), as_dict=True)
        headers = {"jwk": own, "jku": "https://evil.example/k", "x5u": "https://evil.example/x"}
        forged = sender.send(key=OTHER_RSA, headers=headers)
        assert reason(judge(name, forged)) is Reason.BAD_SIGNATURE


@names
def test_a_request_without_its_token_is_refused(name: str) -> None:
    for headers in ({}, dict.fromkeys(TOKEN_SENDERS[name].send().headers, "")):
        assert isinstance(judge(name, Sent(headers, b"")), Rejected)
        assert isinstance(judge(name, Sent(headers)), Rejected)


@pytest.mark.parametrize("name", BOUND)
def test_the_token_of_another_body_does_not_serve(name: str) -> None:
    sent = TOKEN_SENDERS[name].send()
    assert isinstance(judge(name, replace(sent, body=sent.body + b"x")), Rejected)
    if sent.body == BODY:
        assert isinstance(judge(name, replace(sent, body=b"")), Rejected)


@pytest.mark.parametrize("name", CLAIMING)
def test_every_claim_that_is_required_is_missed(name: str) -> None:
    sender = TOKEN_SENDERS[name]
    for claim in load_catalogue()[name].required_claims:
        for value in (None, ""):
            assert isinstance(judge(name, sender.send(change={claim: value})), Rejected), claim


@pytest.mark.parametrize("name", CLAIMING)
def test_every_claim_that_is_fixed_must_be_it(name: str) -> None:
    sender = TOKEN_SENDERS[name]
    for claim in load_catalogue()[name].claims:
        wrong: list[object] = ["another", None]
        if claim != "iss":  # which PyJWT makes of text only
            wrong += [["another"], {}, 7]
        for value in wrong:
            verdict = judge(name, sender.send(change={claim: value}))
            assert reason(verdict) is Reason.BAD_SIGNATURE, claim


@pytest.mark.parametrize("name", ["gong", "jira_connect", "messagebird", "qstash"])
def test_a_token_of_another_url_does_not_serve(name: str) -> None:
    sent = TOKEN_SENDERS[name].send()
    other = URL.replace("/source", "/other")
    assert reason(judge(name, sent, url=other)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("name", CLAIMING)
def test_exp_and_nbf_are_judged_wherever_they_are(name: str) -> None:
    sender, seconds = TOKEN_SENDERS[name], NOW // 1_000
    leeway = load_catalogue()[name].leeway_seconds
    fine = sender.send(change={"exp": seconds + 1 - leeway, "nbf": seconds + leeway})
    assert isinstance(judge(name, fine), Verified)
    for change in ({"exp": seconds - leeway}, {"nbf": seconds + leeway + 1}):
        assert reason(judge(name, sender.send(change=change))) is Reason.STALE_TIMESTAMP
        assert isinstance(judge(name, sender.send(change=change), now=None), Verified)
    wrong: list[object] = ["soon", True, [], float("inf"), 1e300]
    for broken in wrong:
        verdict = judge(name, sender.send(change={"exp": broken}))
        assert reason(verdict) in (Reason.MALFORMED_TIMESTAMP, Reason.MALFORMED_SIGNATURE)


def test_plaids_token_is_good_for_five_minutes() -> None:
    sender = TOKEN_SENDERS["plaid"]
    for age, proven in ((300_000, True), (301_000, False), (-301_000, False)):
        assert isinstance(judge("plaid", sender.send(at=NOW - age)), Verified) is proven
    assert reason(judge("plaid", sender.send(change={"iat": None}))) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "headers",
    [
        {"jku": "https://evil.example/.well-known/jwks"},
        {"tl_version": "1"},
        {"tl_headers": "X-Tl-Webhook-Timestamp,X-Absent"},
        {"tl_headers": ""},
    ],
    ids=str,
)
def test_a_token_of_truelayer_that_says_otherwise_is_refused(headers: dict[str, str]) -> None:
    sender = TOKEN_SENDERS["truelayer"]
    assert isinstance(judge("truelayer", sender.send(headers=headers)), Rejected)
    for jku in ("truelayer", "truelayer-sandbox"):
        own = {"jku": f"https://webhooks.{jku}.com/.well-known/jwks"}
        assert isinstance(judge("truelayer", sender.send(headers=own)), Verified)


def test_either_key_of_qstash_counts() -> None:
    sender = TOKEN_SENDERS["qstash"]
    keys = [Secret("current", OTHER_SECRET), Secret("next", SECRET)]
    verdict = judge("qstash", sender.send(), keys)
    assert isinstance(verdict, Verified)
    assert verdict.secret_name == "next"


def test_a_body_less_request_of_messagebird_needs_no_hash_of_it_and_must_have_none() -> None:
    sender = TOKEN_SENDERS["messagebird"]
    bare = sender.send(body=b"", change={"payload_hash": None})
    assert isinstance(judge("messagebird", bare), Verified)
    stray = sender.send(body=b"", change={"payload_hash": "0" * 64})
    assert reason(judge("messagebird", stray)) is Reason.BAD_SIGNATURE
    unbound = sender.send(change={"payload_hash": None})
    assert reason(judge("messagebird", unbound)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("name", "event_type", "event_id"),
    [
        ("dialpad", "hangup", "e-1"),
        ("kinde", "user.created", "e-1"),
        ("wix", "AppInstalled", "d-1"),
    ],
)
def test_where_the_body_is_the_token_its_claims_say_what_happened(
    name: str, event_type: str, event_id: str
) -> None:
    verdict = judge(name, TOKEN_SENDERS[name].send())
    assert isinstance(verdict, Verified)
    assert (verdict.event_type, verdict.event_id) == (event_type, event_id)
    assert verdict.type_signed
    assert verdict.id_signed


def test_options_that_are_needed_and_not_set_let_nobody_in() -> None:
    provider, sent = load_catalogue()["google_pubsub"], TOKEN_SENDERS["google_pubsub"].send()
    asked = Request("POST", URL, tuple(sent.headers.items()), sent.body)
    for options in ({}, {"audience": "me"}, {"email": "push@example.com"}):
        verdict = verify(provider, asked, [Secret("s", pem(RSA))], NOW, options=options)
        assert reason(verdict) is Reason.BAD_SIGNATURE


def test_an_option_that_may_be_left_open_is_not_asked_for() -> None:
    provider, sent = load_catalogue()["jira_connect"], TOKEN_SENDERS["jira_connect"].send()
    asked = Request("POST", URL, tuple(sent.headers.items()), sent.body)
    for options, proven in (({}, True), ({"client_key": "another"}, False)):
        verdict = verify(provider, asked, [Secret("s", SECRET)], NOW, options=options)
        assert isinstance(verdict, Verified) is proven


@names
@given(place=st.integers(min_value=0), bits=st.integers(1, 127))
def test_any_character_of_a_token_changed_is_refused(name: str, place: int, bits: int) -> None:
    sender = TOKEN_SENDERS[name]

    def carry(token: str, body: bytes) -> Sent:
        spot = place % len(token)
        changed = token[:spot] + chr(ord(token[spot]) ^ bits) + token[spot + 1 :]
        return sender.carry(changed, body)

    assert isinstance(judge(name, replace(sender, carry=carry).send()), Rejected)


@pytest.mark.parametrize("name", BOUND)
@given(place=st.integers(min_value=0), bits=st.integers(1, 255))
def test_any_byte_of_the_body_changed_is_refused(name: str, place: int, bits: int) -> None:
    sent = TOKEN_SENDERS[name].send()
    body = bytearray(sent.body)
    body[place % len(body)] ^= bits
    assert isinstance(judge(name, replace(sent, body=bytes(body))), Rejected)


@given(
    name=st.sampled_from(sorted(TOKEN_SENDERS)),
    text=st.text(max_size=80) | st.just("e30.e30.e30") | st.just("e30..e30"),
    secret=st.binary(max_size=40),
    now=st.none() | st.integers(0, 2**53),
)
def test_noise_is_refused_and_never_an_error(
    name: str, text: str, secret: bytes, now: int | None
) -> None:
    sender = TOKEN_SENDERS[name]
    noise = sender.carry(text, BODY) if text.isascii() else Sent({"Authorization": text})
    assert isinstance(judge(name, noise, [Secret("s", secret)], now), Rejected)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("name", CLAIMING)
@given(change=st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "aud", "data"]), values))
def test_whatever_a_genuine_sender_claims_is_no_error(name: str, change: dict[str, Any]) -> None:
    try:
        sent = TOKEN_SENDERS[name].send(change=change)
    except (TypeError, ValueError):
        return  # PyJWT refuses to make some of them
    assert isinstance(judge(name, sent), Verified | Rejected)
