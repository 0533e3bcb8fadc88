"""Twilio, Mandrill and Plivo: ports, repeated fields, and what stands outside the signature."""

import hashlib

import pytest

from tests.unit.verify.builders.judging import Sent, base64ed

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
#: https://www.twilio.com/docs/usage/security#validating-requests, and twilio-python's tests.
TWILIO = Sent(
    "twilio",
    b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212"
    b"&Caller=%2B14158675309",
    {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
    secret="12345",
    url=URL,
)
TWILIO_JSON = Sent(
    "twilio",
    b'{"property": "value", "boolean": true}',
    {"X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4="},
    secret="12345",
    url=f"{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
)
#: plivo-python's tests of ``validate_v3_signature``.
PLIVO = Sent(
    "plivo_v3",
    b"CallUUID=97ceeb52-58b6-11e1-86da-77300b68f8bb&From=14155551234&To=%2B14155555678",
    {
        "X-Plivo-Signature-V3": "wgGGps/DhRmI+9XH98tpCiKxkTKQlf71s7GszulLpTU=",
        "X-Plivo-Signature-V3-Nonce": "05429567804466091622",
    },
    secret="my_auth_token",
    url="https://example.com/answer/?foo=bar&a=1",
)


def _twilio(url: str, signed: str, body: bytes = b"") -> Sent:
    headers = {"X-Twilio-Signature": base64ed("12345", signed, "sha1")}
    return Sent("twilio", body, headers, secret="12345", url=url)


def test_twilios_published_example_holds() -> None:
    assert TWILIO.holds()
    assert not TWILIO.but(body=TWILIO.body.replace(b"1234&", b"1235&")).holds()
    assert not TWILIO.but(body=TWILIO.body + b"&Extra=1").holds()
    assert not TWILIO.but(url=URL.replace("bar=2", "bar=3")).holds()


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
@pytest.mark.parametrize("signed_port", ["", ":443", ":8443"])
def test_twilio_signs_with_or_without_the_port_but_never_with_another(
    port: str, signed_port: str
) -> None:
    sent = _twilio(f"https://a.example{port}/x", f"https://a.example{signed_port}/xA1", b"A=1")
    assert sent.holds() is (signed_port in ("", port or ":443"))


def test_a_url_with_a_user_keeps_it() -> None:
    sent = _twilio("https://user:pass@a.example/x", "https://user:pass@a.example:443/x")
    assert sent.holds()
    assert not sent.but(url="https://user:evil@a.example/x").holds()


def test_repeated_fields_are_sorted_and_counted_once() -> None:
    sent = _twilio("https://a.example/x", "https://a.example/xA1A2B1", b"B=1&A=2&A=1&A=2")
    assert sent.holds()
    assert not sent.but(body=b"B=1&A=2&A=1&A=3").holds()


def test_a_json_body_is_bound_by_the_signed_url() -> None:
    assert TWILIO_JSON.holds()
    assert not TWILIO_JSON.but(body=TWILIO_JSON.body + b" ").holds()
    other = b'{"property": "evil"}'
    digest = hashlib.sha256(other).hexdigest()
    forged = TWILIO_JSON.url.partition("bodySHA256=")[0] + f"bodySHA256={digest}"
    assert not TWILIO_JSON.but(body=other, url=forged).holds()
    assert not TWILIO_JSON.but(body=other, url=f"{TWILIO_JSON.url}&bodySHA256={digest}").holds()


def test_a_signed_get_does_not_vouch_for_a_body() -> None:
    sent = _twilio("https://a.example/x?A=1", "https://a.example/x?A=1")
    assert sent.but(method="GET").holds()
    assert not sent.but(body=b'{"A":2}').holds()
    assert not sent.but(body=b"A=2").holds()


@pytest.mark.parametrize("url", ["", "/x?y", "https://a.example:99999/x", "https://[::1", "::"])
def test_a_url_that_is_none_proves_nothing_and_breaks_nothing(url: str) -> None:
    assert not TWILIO.but(url=url).holds()


def test_mandrill_refuses_a_field_with_two_values() -> None:
    url = "https://a.example/m"
    signed = base64ed("key", f"{url}mandrill_events[]", "sha1")
    sent = Sent("mandrill", b"mandrill_events=[]", {"X-Mandrill-Signature": signed}, "key", url)
    assert sent.holds()
    assert not sent.but(body=b"mandrill_events=[1]&mandrill_events=[]").holds()


def test_plivos_published_example_holds() -> None:
    assert PLIVO.holds()
    assert PLIVO.but(body=b"&".join(reversed(PLIVO.body.split(b"&")))).holds()
    assert not PLIVO.but(body=PLIVO.body + b"&Extra=1").holds()
    assert not PLIVO.but(url=f"{PLIVO.url}&b=2").holds()
    assert not PLIVO.with_header("X-Plivo-Signature-V3-Nonce", None).holds()
    assert not PLIVO.with_header("X-Plivo-Signature-V3-Nonce", "1").holds()


def test_plivo_signs_a_get_by_its_sorted_query() -> None:
    headers = {
        "X-Plivo-Signature-V3": "vWZilAcYzHXyC+SAFoXUleIwl6eRGptMz2VkIGf49Do=",
        "X-Plivo-Signature-V3-Nonce": "05429567804466091622",
    }
    url = "https://example.com/answer/?To=%2B1415&foo=bar"
    assert Sent("plivo_v3", b"", headers, "my_auth_token", url, "GET").holds()
    assert not Sent("plivo_v3", b"", headers, "my_auth_token", f"{url}&x=1", "GET").holds()


def test_the_main_accounts_signature_proves_a_subaccounts_request() -> None:
    signature = str(PLIVO.headers["X-Plivo-Signature-V3"])
    both = PLIVO.with_header("X-Plivo-Signature-Ma-V3", signature)
    assert both.with_header("X-Plivo-Signature-V3", base64ed("sub", "x")).holds()


@pytest.mark.parametrize("sent", [TWILIO, PLIVO], ids=lambda sent: sent.provider)
def test_a_form_with_too_many_fields_is_refused(sent: Sent) -> None:
    assert not sent.but(body=b"&".join([b"a=1"] * 1_001)).holds()
