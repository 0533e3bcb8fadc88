"""One challenge can be spelled in many ways; what is said back is what it means."""

import hashlib
import hmac
import json
from base64 import b64decode
from typing import Any

import pytest

from ingest.verify import load_catalogue
from ingest.verify.lines import verify_line

ADDRESS = "https://hooks.example.com/in/acme"
#: Raw text of a query -> what its sender meant (WHATWG URL, application/x-www-form-urlencoded).
SPELLED = {
    "a%20b": "a b",
    "a+b": "a b",
    "a%2Bb": "a+b",
    "a%26b%3Dc": "a&b=c",
    "a=b": "a=b",
    "%C3%A9%E2%9C%93": "é✓",
    "%c3%a9": "é",
    "%41%42": "AB",
    "100%": "100%",
    "%zz": "%zz",
    "a%252Fb": "a%2Fb",
    "%3Cscript%3E": "<script>",
    "%22%5C%27": "\"\\'",
    "a%0Ab": "a\nb",
    "?": "?",
    "/../x": "/../x",
    "{query:challenge}": "{query:challenge}",
    "%7Boption:verify_token%7D": "{option:verify_token}",
}
#: slug, method, the query before the challenge, its name, config.
ASKED = [
    ("dropbox", "GET", "", "challenge", {}),
    ("nylas", "GET", "x=1&", "challenge", {}),
    ("onfleet", "GET", "", "check", {}),
    ("adobe_io", "GET", "", "challenge", {}),
    ("productboard", "GET", "", "validationToken", {}),
    ("microsoft_graph", "POST", "", "validationToken", {}),
    ("sharepoint", "POST", "", "validationtoken", {}),
    ("google_forms", "GET", "hub.mode=subscribe&hub.topic=t&", "hub.challenge", {}),
    (
        "meta",
        "GET",
        "hub.mode=subscribe&hub.verify_token=a+%26%C3%A9&",
        "hub.challenge",
        {"verify_token": "a &é"},
    ),
]
asked = pytest.mark.parametrize(("slug", "method", "before", "name", "config"), ASKED)


def said(slug: str, method: str, query: str = "", **words: Any) -> dict[str, Any] | None:
    line = {"provider": slug, "method": method, "url": f"{ADDRESS}?{query}", "config": {}, **words}
    response: dict[str, Any] | None = verify_line(line, load_catalogue())["response"]
    return response


@asked
def test_a_challenge_in_the_query_is_decoded_once(
    slug: str, method: str, before: str, name: str, config: dict[str, str]
) -> None:
    for raw, meant in SPELLED.items():
        response = said(slug, method, f"{before}{name}={raw}", config=config)
        assert response is not None, raw
        assert (response["status"], response["body"]) == (200, meant)
        assert response["headers"]["content-type"] == "text/plain"


@asked
def test_a_challenge_that_came_twice_is_said_back_only_if_it_is_one(
    slug: str, method: str, before: str, name: str, config: dict[str, str]
) -> None:
    same = said(slug, method, f"{before}{name}=x&{name}=x", config=config)
    assert same is not None
    assert same["body"] == "x"
    for other in (f"{name}=x&{name}=y", f"{name}=", name, f"{name.upper()}=x", f"{name}[]=x", ""):
        assert said(slug, method, before + other, config=config) is None, other


@pytest.mark.parametrize(
    ("slug", "written"),
    [
        ("slack", '{"type":"url_verification","challenge":"%s"}'),
        ("monday", '{"challenge":"%s"}'),
        ("miro", '{"challenge":"%s"}'),
        ("lark", '{"type":"url_verification","token":"t","challenge":"%s"}'),
    ],
)
def test_a_challenge_in_json_is_read_as_json_and_written_as_json(slug: str, written: str) -> None:
    for inside in (r"a\"b\\c", r"\u0041\ud83d\ude00", "é✓", r"\/\n\t", "<x>&'", "{body:token}"):
        response = said(slug, "POST", body=written % inside)
        assert response is not None, inside
        assert response["headers"]["content-type"] == "application/json"
        assert json.loads(response["body"]) == {"challenge": json.loads(f'"{inside}"')}


def test_a_crc_token_is_signed_as_it_was_meant() -> None:
    for raw, meant in (("abc", "abc"), ("a%2Bb%3D", "a+b="), ("a%2Fb", "a/b")):
        response = said("x_twitter", "GET", f"crc_token={raw}", config={"consumer_secret": "s"})
        assert response is not None
        made = hmac.new(b"s", meant.encode(), hashlib.sha256).digest()
        told = json.loads(response["body"])["response_token"]
        assert told.startswith("sha256=")
        assert hmac.compare_digest(b64decode(told[7:]), made)


@pytest.mark.parametrize("challenge", ["v0:1760000000:{}", '{"event":"x"}', "a b", "a\nb", "é"])
def test_nothing_is_signed_that_could_be_an_event(challenge: str) -> None:
    """Whoever asks for the digest of a message would have forged it."""
    body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": challenge}})
    assert said("zoom", "POST", body=body, config={"secret": "s"}) is None
    body = json.dumps({"eventType": "VERIFY", "data": {"challenge": challenge}})
    assert said("smartcar", "POST", body=body, config={"secret": "s"}) is None
