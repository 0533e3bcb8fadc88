"""Signing as providers do, for ``hookkeeper send``."""

import pytest

from ingest.samples import sample, samples
from ingest.verify import Request, Secret, Verified, custom_provider, load_catalogue, verify
from ingest.verify.sign import sign
from tests.unit.verify.genuine import ACME, BODY, NOW, SECRET, SENDERS

WITH_SAMPLES = ["github", "shopify", "slack", "standardwebhooks", "stripe"]
ALL_SAMPLES = [(provider, name) for provider in WITH_SAMPLES for name in samples(provider)]


@pytest.mark.parametrize(
    "name", ["github", "shopify", "slack", "stripe", "standardwebhooks", "svix"]
)
def test_we_sign_exactly_as_the_provider(name: str) -> None:
    sender = SENDERS[name]
    event_type = "things/made" if name == "shopify" else "thing.made"
    event_id = "msg_1" if name in ("standardwebhooks", "svix") else "guid-1"
    ours = {key.lower(): value for key, value in sign(sender.provider, BODY, SECRET, NOW,
                                                      event_type, event_id)}  # fmt: skip
    theirs = {key.lower(): value for key, value in sender.request().headers}
    assert ours == {key: value for key, value in theirs.items() if key != "content-type"}


def test_a_scheme_that_signs_method_and_url_is_given_them() -> None:
    provider = custom_provider("acme", ACME)
    around = Request("POST", "/in/source?a=1", (), b"")
    headers = sign(provider, BODY, SECRET, NOW, event_id="n-1", request=around)
    request = Request("POST", around.url, tuple(headers), BODY)
    assert isinstance(verify(provider, request, [Secret("s", SECRET)], NOW), Verified)
    assert dict(headers)["X-Acme-Signature"] == SENDERS["acme"].request().header("X-Acme-Signature")


def test_what_cannot_be_signed_says_why() -> None:
    catalogue = load_catalogue()
    with pytest.raises(ValueError, match="covers the id"):
        sign(catalogue["standardwebhooks"], BODY, SECRET, NOW)
    with pytest.raises(ValueError, match="not of the format 'whsec'"):
        sign(catalogue["standardwebhooks"], BODY, b"whsec_!", NOW, event_id="m")
    with pytest.raises(ValueError, match="secret is empty"):
        sign(catalogue["github"], BODY, b"", NOW)


def test_a_source_without_proof_is_sent_to_without_headers() -> None:
    assert sign(load_catalogue()["none"], BODY, b"", NOW, "push", "1") == []


@pytest.mark.parametrize("provider", WITH_SAMPLES)
def test_every_provider_ships_a_handful_of_samples(provider: str) -> None:
    assert 4 <= len(samples(provider)) <= 8


@pytest.mark.parametrize(("provider", "name"), ALL_SAMPLES)
def test_a_signed_sample_is_verified_as_the_event_it_is(provider: str, name: str) -> None:
    entry = load_catalogue()[provider]
    sent = sample(provider, name)
    made = sign(entry, sent.body, SECRET, NOW, sent.event_type, "id-1")
    request = Request("POST", f"/in/{provider}", (*sent.headers, *made), sent.body)
    verdict = verify(entry, request, [Secret("s", SECRET)], NOW)
    assert isinstance(verdict, Verified)
    assert verdict.event_type == sent.event_type
    assert verdict.event_id or name == "slash_command"
