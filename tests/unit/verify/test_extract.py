"""The extraction language, by example."""

import json

import pytest

from ingest.verify import Request
from ingest.verify.extract import Extractor
from ingest.verify.places import _UNREAD, Reading

FORM = "application/x-www-form-urlencoded"


def _read(
    template: str | list[str], *headers: tuple[str, str], body: bytes = b"", url: str = "/in/x"
) -> str | None:
    reading = Reading(Request("POST", url, headers, body))
    found = Extractor.parse(template).extract(reading)
    return found.text if found else None


def test_a_header_is_read_whatever_its_case() -> None:
    assert _read("header:X-Topic", ("x-tOPIC", "orders/create")) == "orders/create"


def test_a_header_that_came_twice_counts_only_if_both_agree() -> None:
    assert _read("header:X-Topic", ("X-Topic", "a"), ("X-Topic", "a")) == "a"
    assert _read("header:X-Topic", ("X-Topic", "a"), ("x-topic", "b")) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("type", "made"),
        ("event.type", "nested"),
        ("entry.1.id", "17"),
        ("entry.9.id", None),
        ("entry.first", None),
        ("event", None),
        ("entry", None),
        ("flag", None),
        ("ratio", None),
        ("nothing", None),
        ("empty", None),
        ("type.deeper", None),
        ("zero", "0"),
    ],
)
def test_a_field_of_the_body_is_text_or_a_whole_number(path: str, expected: str | None) -> None:
    body = {
        "type": "made",
        "event": {"type": "nested"},
        "entry": [{"id": 16}, {"id": 17}],
        "flag": True,
        "ratio": 1.5,
        "nothing": None,
        "empty": "",
        "zero": 0,
    }
    assert _read(f"body:{path}", body=json.dumps(body).encode()) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 5_000, b"null", b'"text"', b"17"])
def test_a_body_that_is_no_json_object_has_no_fields(body: bytes) -> None:
    assert _read("body:type", body=body) is None


def test_a_form_field_is_read_and_json_inside_of_it() -> None:
    body = b"command=%2Fweather&payload=%7B%22type%22%3A%22block_actions%22%7D"
    assert _read("form:command", ("Content-Type", FORM), body=body) == "/weather"
    assert _read("form:payload.type", ("Content-Type", FORM), body=body) == "block_actions"
    assert _read("form:payload.absent", ("Content-Type", FORM), body=body) is None


def test_a_body_is_a_form_whatever_its_unsigned_content_type_says() -> None:
    """Or a replay with another one would hide the signed id, and pass for a new event."""
    assert _read("form:command", body=b"command=x") == "x"
    assert _read("form:command", ("Content-Type", "application/json"), body=b"command=x") == "x"
    assert _read("form:command", ("Content-Type", FORM), body=b'{"a": "&command=x"}') is None


def test_a_form_of_too_many_fields_is_not_read() -> None:
    body = b"&".join(b"a=1" for _ in range(1_001))
    assert _read("form:a", ("Content-Type", FORM), body=body) is None


def test_a_parameter_of_the_url_is_read() -> None:
    assert _read("query:token", url="https://x.test/in/a?b=1&token=s%20t#token=no") == "s t"
    assert _read("query:token", url="/in/a?token=1&token=2") is None


def test_the_first_place_that_is_there_counts() -> None:
    assert _read("{header:A|header:B}", ("B", "b")) == "b"
    assert _read("{header:A|header:B}", ("B", "b"), ("A", "a")) == "a"


def test_the_first_complete_template_of_a_list_counts() -> None:
    templates = ["{body:event.type}.{body:event.subtype}", "body:type"]
    assert _read(templates, body=b'{"type":"outer","event":{"type":"inner"}}') == "outer"
    assert _read(templates, body=b'{"type":"o","event":{"type":"i","subtype":"s"}}') == "i.s"


def test_an_optional_group_is_left_out_when_something_in_it_is_absent() -> None:
    template = "{header:X-GitHub-Event}[.{body:action}]"
    event = ("X-GitHub-Event", "issues")
    assert _read(template, event, body=b'{"action":"assigned"}') == "issues.assigned"
    assert _read(template, event, body=b"{}") == "issues"
    assert _read(template, body=b'{"action":"assigned"}') is None


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("X-Topic", "names no place"),
        ("header:", "names no place"),
        ("cookie:a", "no place to read from"),
        ("{header:A", "do not pair up"),
        ("a]{header:A}", "do not pair up"),
        ("{header:A}[[{header:B}]]", "do not pair up"),
        ("{header:A}[.{header:B}", "never closed"),
        ([], "empty list"),
    ],
)
def test_a_template_that_cannot_be_read_says_why(template: str | list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Extractor.parse(template)


def test_the_body_is_parsed_once_and_only_when_asked() -> None:
    """A 10 MB body costs one parse, and none where a header says it all."""
    reading = Reading(Request("POST", "/", (("A", "a"),), b'{"b":"1","c":"2"}'))
    assert Extractor.parse("header:A").extract(reading)
    assert reading._parsed is _UNREAD
    assert Extractor.parse("body:b").extract(reading)
    parsed = reading._parsed
    assert parsed == {"b": "1", "c": "2"}
    assert Extractor.parse("{body:absent|body:c}").extract(reading)
    assert reading._parsed is parsed
