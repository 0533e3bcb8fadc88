"""The answer to an event where its provider wants certain words."""

import json
from typing import Any

import pytest

from ingest.verify import Request, custom_provider, load_catalogue
from ingest.verify.handshakes.acknowledging import acknowledgement
from ingest.verify.handshakes.response import Response

SCHEME = {"family": "hmac", "header": "X-Sig"}


def said(body: bytes, *headers: tuple[str, str], **words: Any) -> Response:
    request = Request("POST", "/in/acme?q=1", headers, body)
    response = acknowledgement(custom_provider("acme", {**SCHEME, **words}), request)
    assert response is not None
    return response


@pytest.mark.parametrize(
    ("value", "echoed"),
    [("7", "7"), ('"7"', '"7"'), ('"a\\"b"', '"a\\"b"'), ("null", '""'), ("[1]", '""')],
)
def test_a_place_in_quotes_is_echoed_as_what_it_was(value: str, echoed: str) -> None:
    body = b'{"n":%b}' % value.encode()
    assert said(body, success_body='{"n":"{body:n}"}').body.decode() == f'{{"n":{echoed}}}'


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("[accepted]", "text/plain"),
        ('{"code":"SUCCESS"}', "application/json"),
        ("<Ack>true</Ack>", "text/xml"),
    ],
)
def test_words_come_as_what_they_are(words: str, kind: str) -> None:
    response = said(b"", success_body=words)
    assert (response.body.decode(), dict(response.headers)["content-type"]) == (words, kind)


def test_headers_are_echoed_where_they_are_visible_ascii() -> None:
    words = {"success_headers": {"X-Id": "{header:X-Id}"}}
    assert ("X-Id", "r-1") in said(b"", ("X-Id", "r-1"), **words).headers
    assert said(b"", ("X-Id", "r\r\nX-Evil: 1"), **words).headers == ()
    assert said(b"", **words).headers == ()


def test_who_wants_nothing_gets_hookkeepers_own_answer() -> None:
    request = Request("POST", "/", (), b"")
    assert acknowledgement(custom_provider("acme", SCHEME), request) is None
    assert acknowledgement(custom_provider("a", {**SCHEME, "success_body": ""}), request) is None


@pytest.mark.parametrize("slug", sorted(load_catalogue()))
def test_no_entry_says_its_template_to_the_sender(slug: str) -> None:
    response = acknowledgement(load_catalogue()[slug], Request("POST", "/", (), b'{"a":1}'))
    assert response is None or b"{body:" not in response.body
    assert response is None or b"{header:" not in response.body


def test_green_dot_is_told_the_id_of_its_request() -> None:
    request = Request("POST", "/", (("x-GD-RequestId", "5f3c"),), b"{}")
    response = acknowledgement(load_catalogue()["greendot"], request)
    assert response is not None
    assert ("x-GD-RequestId", "5f3c") in response.headers
    assert "responseDetails" in json.loads(response.body)
