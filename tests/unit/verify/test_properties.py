"""What must hold for every body, every change and every request whatsoever."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.verify import (
    Provider,
    Rejected,
    Request,
    Secret,
    Verified,
    custom_provider,
    load_catalogue,
    verify,
)
from ingest.verify.lines import verify_line
from tests.unit.verify.genuine import NOW, SECRET, SENDERS
from tests.unit.verify.our_signing import sign_body

PROVIDERS = {
    **{name: sender.provider for name, sender in SENDERS.items()},
    "token": custom_provider("t", {"family": "token", "header": "X-Token"}),
    "query": custom_provider("q", {"family": "token", "signature": "query:token"}),
    "basic": custom_provider("b", {"family": "basic"}),
}
SIGNED = [name for name in SENDERS if name != "acme"]  # acme signs its URL too: see test_sign.py

provider = st.sampled_from(sorted(PROVIDERS)).map(PROVIDERS.__getitem__)
signed = st.sampled_from(SIGNED).map(PROVIDERS.__getitem__)

header_names = st.sampled_from(
    [
        *sorted({name for each in PROVIDERS.values() for name in each.header}),
        *("webhook-id", "webhook-timestamp", "X-Slack-Request-Timestamp", "Content-Type"),
    ]
)
anything = st.text(st.characters(codec=None), max_size=120)
values = st.one_of(
    anything,
    st.sampled_from(
        ["t=1,v1=", "v1,", "v0=" + "0" * 64, "sha256=" + "f" * 64, "Basic ", "t=1,t=2"]
    ),
    st.integers().map(str),
)
requests = st.builds(
    Request,
    method=anything,
    url=anything,
    headers=st.lists(st.tuples(st.one_of(header_names, anything), values), max_size=8).map(tuple),
    body=st.one_of(st.binary(max_size=200), st.just(b"[" * 2_000), st.just(b'{"type":{"a":1}}')),
)
secrets = st.lists(
    st.builds(
        Secret,
        name=st.just("env:S"),
        value=st.one_of(
            st.binary(max_size=40),
            st.sampled_from([SECRET, b"", b"whpk_", b"whpk_" + b"A" * 43 + b"=", b"whsk_AAAA"]),
        ),
        expires_at=st.none() | st.integers(),
    ),
    max_size=4,
)


def _signed(provider: Provider, body: bytes, secret: bytes = SECRET) -> Request:
    headers = sign_body(provider, body, secret, NOW, "thing.made", "id-1")
    return Request("POST", "/in/source", tuple(headers), body)


def _flip(text: bytes, place: int, bits: int) -> bytes:
    spot = place % len(text)
    return text[:spot] + bytes([text[spot] ^ bits]) + text[spot + 1 :]


@given(provider=signed, body=st.binary(max_size=300), secret=st.binary(min_size=1, max_size=64))
def test_what_we_sign_we_verify(provider: Provider, body: bytes, secret: bytes) -> None:
    if provider.secret_format == "whsec" or not secret.strip():
        secret = SECRET
    request = _signed(provider, body, secret)
    assert isinstance(verify(provider, request, [Secret("s", secret)], NOW), Verified)


@given(
    provider=signed,
    body=st.binary(min_size=1, max_size=300),
    place=st.integers(min_value=0),
    bits=st.integers(1, 255),
)
def test_a_change_of_any_byte_of_the_body_is_rejected(
    provider: Provider, body: bytes, place: int, bits: int
) -> None:
    request = replace(_signed(provider, body), body=_flip(body, place, bits))
    assert isinstance(verify(provider, request, [Secret("s", SECRET)], NOW), Rejected)


@settings(max_examples=400)
@given(
    provider=signed,
    which=st.integers(min_value=0),
    place=st.integers(min_value=0),
    bits=st.integers(1, 255),
)
def test_a_change_of_any_byte_of_a_signed_header_is_rejected(
    provider: Provider, which: int, place: int, bits: int
) -> None:
    """Also changes of case, of base64's unused bits and of the ``t=`` of Stripe."""
    genuine = _signed(provider, b'{"id":"evt_1"}')
    covered = {name.lower() for name in provider.header}
    covered |= {atom.name for atom in provider.signed_atoms if atom.place == "header"}
    names = [name for name, _ in genuine.headers if name.lower() in covered]
    name = names[which % len(names)]
    changed = tuple(
        (key, _flip(value.encode(), place, bits).decode("latin-1") if key == name else value)
        for key, value in genuine.headers
    )
    request = replace(genuine, headers=changed)
    assert isinstance(verify(provider, request, [Secret("s", SECRET)], NOW), Rejected), changed


@settings(max_examples=500)
@given(
    provider=provider,
    request=requests,
    secrets=secrets,
    now=st.none() | st.integers(0, 2**53),
)
def test_verify_never_raises_and_never_accepts_noise(
    provider: Provider, request: Request, secrets: list[Secret], now: int | None
) -> None:
    verdict = verify(provider, request, secrets, now)
    if provider.family in ("hmac", "standard_webhooks"):
        assert isinstance(verdict, Rejected)


@settings(max_examples=300)
@given(request=requests)
def test_what_is_told_of_an_event_fits_a_column(request: Request) -> None:
    """No NUL, no control character, no lone surrogate, at most 255 characters: for any sender."""
    reading = custom_provider(
        "n",
        {
            "family": "none",
            "event_type": ["header:X-Slack-Signature", "body:type", "query:t"],
            "event_id": "header:webhook-id",
        },
    )
    verdict = verify(reading, request, [], None)
    assert isinstance(verdict, Verified)
    for text in (verdict.event_type, verdict.event_id or ""):
        assert len(text) <= 255
        assert "\0" not in text
        text.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=5,
)
words = st.sampled_from(
    [
        *("provider", "method", "url", "headers", "body", "body_encoding", "secret", "secrets"),
        *("public_key", "options", "config", "now", "id"),
    ]
)


@settings(max_examples=500)
@given(line=json_values | st.dictionaries(words, json_values))
def test_no_line_makes_verify_line_raise(line: object) -> None:
    answer = verify_line(line, load_catalogue())
    if answer.get("valid"):
        assert isinstance(line, dict)
        assert line["provider"] == "none"


@pytest.mark.parametrize("name", [name for name in SIGNED if SENDERS[name].stamped])
def test_the_timestamp_of_one_message_does_not_serve_another(name: str) -> None:
    """A fresh signature's header cannot be put onto an old body."""
    provider = PROVIDERS[name]
    fresh = _signed(provider, b'{"id":"evt_1"}')
    old = replace(fresh, body=b'{"id":"evt_0"}')
    assert isinstance(verify(provider, old, [Secret("s", SECRET)], NOW), Rejected)
