"""Signing as providers do, for ``hookkeeper send``."""

import base64
import hashlib
import hmac
import re
from urllib.parse import parse_qs

import jwt
import pytest

from ingest.samples import Sample, providers, sample, samples
from ingest.signing import compose
from ingest.verify import Request, Secret, Verified, custom_provider, load_catalogue, verify
from tests.unit.signing.catalogue import EVENT_ID, OTHER_ID, Known, known
from tests.unit.verify.genuine import ACME, BODY, NOW, SECRET, SENDERS
from tests.unit.verify.our_signing import sign_body

ALL_SAMPLES = [(provider, name) for provider in providers() for name in samples(provider)]


@pytest.mark.parametrize(
    "name", ["github", "shopify", "slack", "stripe", "standardwebhooks", "svix"]
)
def test_we_sign_exactly_as_the_provider(name: str) -> None:
    sender = SENDERS[name]
    event_type = "things/made" if name == "shopify" else "thing.made"
    event_id = "msg_1" if name in ("standardwebhooks", "svix") else "guid-1"
    ours = {key.lower(): value for key, value in sign_body(sender.provider, BODY, SECRET, NOW,
                                                      event_type, event_id)}  # fmt: skip
    theirs = {key.lower(): value for key, value in sender.request().headers}
    assert ours == {key: value for key, value in theirs.items() if key != "content-type"}


def test_a_scheme_that_signs_method_and_url_is_given_them() -> None:
    provider = custom_provider("acme", ACME)
    around = Request("POST", "/in/source?a=1", (), b"")
    headers = sign_body(provider, BODY, SECRET, NOW, event_id="n-1", around=around)
    request = Request("POST", around.url, tuple(headers), BODY)
    assert isinstance(verify(provider, request, [Secret("s", SECRET)], NOW), Verified)
    assert dict(headers)["X-Acme-Signature"] == SENDERS["acme"].request().header("X-Acme-Signature")


def test_what_cannot_be_signed_says_why() -> None:
    catalogue = load_catalogue()
    with pytest.raises(ValueError, match="covers the id"):
        sign_body(catalogue["standardwebhooks"], BODY, SECRET, NOW)
    with pytest.raises(ValueError, match="not of the format 'whsec'"):
        sign_body(catalogue["standardwebhooks"], BODY, b"whsec_!", NOW, event_id="m")
    with pytest.raises(ValueError, match="secret is empty"):
        sign_body(catalogue["github"], BODY, b"", NOW)


def test_a_source_without_proof_is_sent_to_without_headers() -> None:
    assert sign_body(load_catalogue()["none"], BODY, b"", NOW, "push", "1") == []


@pytest.mark.parametrize("provider", providers())
def test_every_provider_ships_a_handful_of_samples(provider: str) -> None:
    assert 1 <= len(samples(provider)) <= 8


@pytest.mark.parametrize(("provider", "name"), ALL_SAMPLES)
def test_a_signed_sample_is_verified_as_the_event_it_is(provider: str, name: str) -> None:
    entry, sent = known(provider), sample(provider, name)
    verdicts = [entry.verdict(_signed(entry, sent, each)) for each in (EVENT_ID, OTHER_ID)]
    first, other = verdicts
    assert isinstance(first, Verified), first
    assert isinstance(other, Verified), other
    assert first.event_type == sent.event_type
    if entry.provider.event_id is not None and name != "slash_command":
        assert first.event_id
        assert first.event_id != other.event_id


def _signed(entry: Known, sent: Sample, event_id: str) -> Request:
    made = compose(entry.provider, entry.url, event_id, NOW, sample=sent)
    return entry.signed(made)


def test_wecom_sorts_the_secret_in_among_the_other_texts() -> None:
    """The receiver cannot know its place and takes any; the sender has only one."""
    entry = known("wecom")
    request = entry.request()
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    cipher = re.findall(rb"<Encrypt>(.*)</Encrypt>", request.body)[0].decode()
    token = entry.secrets[0].value.decode()
    texts = sorted([token, asked["timestamp"], asked["nonce"], cipher])
    assert asked["msg_signature"] == hashlib.sha1("".join(texts).encode()).hexdigest()


def test_twilio_signs_its_url_and_the_sorted_form() -> None:
    entry = known("twilio")
    request = entry.request()
    fields = sorted(parse_qs(request.body.decode()).items())
    signed = entry.url + "".join(name + values[0] for name, values in fields)
    made = hmac.new(entry.secrets[0].value, signed.encode(), hashlib.sha1).digest()
    assert request.header("X-Twilio-Signature") == base64.b64encode(made).decode()


def test_a_token_is_bound_to_its_body_and_its_time() -> None:
    """Judged by another library."""
    entry = known("livekit")
    request = entry.request()
    claims = jwt.decode(
        request.header("Authorization") or "",
        entry.secrets[0].value,
        ["HS256"],
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert claims["sha256"] == base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    assert claims["exp"] == NOW // 1_000 + 60
