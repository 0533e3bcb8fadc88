"""Whatever a stranger sends to any of the builders: a refusal, soon, and no exception."""

import json
import time
import tomllib
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.verify.builders.judging import NOW, Sent
from tests.unit.verify.builders.senders_of_headers import nowpayments

ENTRIES = {
    slug: entry
    for slug, entry in tomllib.loads(
        resources.files("ingest.verify").joinpath("catalogue/bespoke.toml").read_text()
    ).items()
    if entry["family"] in ("hmac", "hash")
}
FIELDS = (
    *("signature", "timestamp", "token", "auth", "encrypt", "payload", "bt_signature"),
    *("bt_payload", "obj", "type", "event", "notificationItems", "NotificationRequestItem"),
    *("additionalData", "hmacSignature", "amount", "Content", "HashCode", "object_payload"),
    *("object_payload_signature", "hash", "status", "json", "id", "hmac", "msg_signature", "nonce"),
)
names = st.sampled_from(FIELDS) | st.text(max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
bodies = (
    st.binary(max_size=60)
    | values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    | st.lists(st.tuples(names, st.text(max_size=9)), max_size=6).map(
        lambda pairs: "&".join(f"{name}={text}" for name, text in pairs).encode("utf-8", "replace")
    )
)
signatures = st.text(max_size=70) | st.from_regex(r"\A(t|ts|s|sign|v0|v1|h|env)=[0-9a-f, &=tvh]*\Z")
urls = st.sampled_from(["", "/in/a", "https://a.example/in"]).flatmap(
    lambda start: st.text(max_size=20).map(lambda text: f"{start}?{text}&hmac=a&timestamp={NOW}")
)


def _headers(entry: dict[str, object]) -> list[str]:
    named = entry.get("header", [])
    listed = [named] if isinstance(named, str) else named
    assert isinstance(listed, list)
    return [str(name).replace("*", "1") for name in listed]


@pytest.mark.parametrize("slug", ENTRIES)
@settings(max_examples=60, deadline=None)
@given(
    body=bodies,
    signature=signatures,
    extra=st.text(max_size=30),
    url=urls,
    method=st.sampled_from(["POST", "GET", "PUT", ""]),
)
def test_nothing_a_stranger_makes_up_holds_or_raises(
    slug: str, body: bytes, signature: str, extra: str, url: str, method: str
) -> None:
    carried = dict.fromkeys(_headers(ENTRIES[slug]), signature)
    beside = {
        "x-contentful-timestamp": f"{NOW}000",
        "x-contentful-signed-headers": extra,
        "X-Plivo-Signature-V3-Nonce": extra,
        "X-Plivo-Signature-V2-Nonce": extra,
        "X-HubSpot-Request-Timestamp": f"{NOW}000",
        "BOX-DELIVERY-TIMESTAMP": "2025-10-09T08:53:20Z",
        "BOX-SIGNATURE-VERSION": "1",
        "BOX-SIGNATURE-ALGORITHM": "HmacSHA256",
    }
    sent = Sent(slug, body, beside | carried, "a secret that nobody knows", url, method)
    assert not sent.but(options={"app_key": "a"}).holds()


HOSTILE = {
    "deep": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "many numbers": b"[" + b"1.5e-9," * 130_000 + b"1]",
    "many members": json.dumps({str(number): 1 for number in range(60_000)}).encode(),
    "many fields": b"&".join(b"a%d=1" % number for number in range(100_000)),
    "many hashes": b'{"auth":"' + b"0" * 32 + b'"' + b"0" * 900_000 + b"}",
    "escapes": b'{"object_payload":{"a":"' + b"\\u00e9" * 150_000 + b'"}}',
    "open tags": b"<Encrypt>" * 100_000,
    "blanks": b'{"Content"' + b" " * 900_000 + b":1}",
    "ten megabytes": b"[" + b"1," * 5_000_000 + b"1]",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("slug", [slug for slug, entry in ENTRIES.items() if "builder" in entry])
def test_a_body_made_to_cost_much_is_refused_within_the_deadline(slug: str, body: bytes) -> None:
    """Two seconds of this process' time: the shortest deadline of a provider is three."""
    carried = dict.fromkeys(_headers(ENTRIES[slug]), f"t={NOW}&s=00,v1=00,ts={NOW}")
    began = time.process_time()
    assert not Sent(slug, body, carried, url=f"https://a.example/?timestamp={NOW}&nonce=1").holds()
    assert time.process_time() - began < 2


def test_a_name_that_comes_twice_proves_nothing() -> None:
    """One of both was signed, and a reader may take the other."""
    genuine = nowpayments("s3cret-of-the-source", 1, lambda made: made)
    assert genuine.holds()
    assert not genuine.but(body=b'{"payment_id":"forged",' + genuine.body[1:]).holds()
