"""The handshakes of the catalogue, and the mistakes that an entry may make."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from ingest.verify import Request, custom_provider, load_catalogue
from ingest.verify.catalogue import parse_catalogue
from ingest.verify.handshakes.answering import answer, methods
from ingest.verify.handshakes.shape import Handshake

CATALOGUE = load_catalogue()
ASKING = {slug for slug in CATALOGUE if CATALOGUE[slug].handshakes}


def test_more_than_sixty_providers_ask_something() -> None:
    assert len(ASKING) > 60


@pytest.mark.parametrize("slug", sorted(ASKING))
def test_every_option_that_an_answer_needs_is_declared(slug: str) -> None:
    provider = CATALOGUE[slug]
    assert {name for one in provider.handshakes for name in one.options} <= {*provider.options}


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("github", {"POST"}),
        ("slack", {"POST"}),
        ("meta", {"POST", "GET"}),
        ("trello", {"POST", "HEAD"}),
        ("azure_event_grid", {"POST", "OPTIONS"}),
    ],
)
def test_a_source_takes_the_methods_of_its_handshakes(slug: str, expected: set[str]) -> None:
    assert methods(CATALOGUE[slug]) == expected


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({}, "every POST"),
        ({"method": ["GET", "POST"]}, "every POST"),
        ({"method": "PUT"}, "GET"),
        ({"method": "GET", "text": "a", "json": {}}, "two answers"),
        ({"method": "GET", "text": "{query:a"}, "braces"),
        ({"method": "GET", "text": "{sha512(query:a)}"}, "no function"),
        ({"method": "GET", "text": "{cookie:a}"}, "no place"),
        ({"method": "GET", "headers": {"X": "{nowhere}"}}, "no place"),
        ({"method": "GET", "refused": 200}, "400"),
        ({"method": "GET", "status": 404}, "299"),
        ({"method": "GET", "confirm": "query:u"}, "hosts"),
        ({"method": "GET", "hosts": "a.example"}, "hosts"),
        ({"method": "GET", "confirm": "query:u", "hosts": "a.example"}, "signed"),
        ({"when": {"challenge": "*"}}, "no place"),
        ({"when": {"body:x": "*"}, "sealed": "zip"}, "lark"),
        ({"method": "GET", "teaches": "body:x"}, "teaches"),
    ],
)
def test_a_handshake_that_makes_no_sense_says_why(words: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(complaint)):
        Handshake.model_validate(words)


def test_a_users_own_scheme_has_handshakes_too() -> None:
    shake = {"method": "GET", "when": {"query:c": "*"}, "text": "{query:c}"}
    provider = custom_provider("acme", {"family": "hmac", "header": "X", "handshakes": [shake]})
    assert methods(provider) == {"GET", "POST"}


def test_handshakes_and_options_are_added_to_the_entry_of_their_name() -> None:
    entry = '[acme]\nfamily = "hmac"\nheader = "X-Sig"\noptions = { a = "one" }\n'
    added = '[[acme.handshakes]]\nmethod = "HEAD"\n[acme.options]\nb = "two"\n'
    for texts in ((entry, added), (added, entry)):
        provider = parse_catalogue(*texts)["acme"]
        assert (provider.header, len(provider.handshakes)) == (("X-Sig",), 1)
        assert provider.options == {"a": "one", "b": "two"}


@pytest.mark.parametrize(("method", "body"), [("GET", b"hello"), ("HEAD", b"")])
def test_a_head_is_answered_as_a_get_without_its_body(method: str, body: bytes) -> None:
    shake = {"method": ["GET", "HEAD"], "text": "hello"}
    provider = custom_provider("acme", {"family": "hmac", "header": "X", "handshakes": [shake]})
    response = answer(provider, Request(method, "/", (), b""), {}, [], None)
    assert response is not None
    assert (response.status, response.body) == (200, body)


def test_what_is_too_long_for_a_handshake_is_not_parsed_as_one() -> None:
    body = b'{"challenge":"c"}' + b" " * 65_536
    assert answer(CATALOGUE["miro"], Request("POST", "/", (), body), {}, [], None) is None
