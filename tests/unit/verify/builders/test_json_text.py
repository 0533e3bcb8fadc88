"""JSON as senders write it: RFC 8785's own samples, PHP's quoting, and bounds."""

import pytest

from ingest.verify.builders.json_text import (
    Writer,
    as_sent,
    javascript_number,
    javascript_text,
    parsed,
    php_text,
)

CANONICAL = Writer(javascript_text, javascript_number, sorts=True)
PHP = Writer(php_text, as_sent, sorts=False)

#: RFC 8785, appendix B: "Number Serialization Samples".
NUMBERS = {
    "0": "0",
    "-0.0": "0",
    "5e-324": "5e-324",
    "-5e-324": "-5e-324",
    "1.7976931348623157e308": "1.7976931348623157e+308",
    "9007199254740992": "9007199254740992",
    "295147905179352830000": "295147905179352830000",
    "9.999999999999997e22": "9.999999999999997e+22",
    "1e23": "1e+23",
    "999999999999999700000": "999999999999999700000",
    "999999999999999868928": "999999999999999900000",
    "1e21": "1e+21",
    "9.999999999999997e-7": "9.999999999999997e-7",
    "0.000001": "0.000001",
    "333333333.3333332": "333333333.3333332",
    "333333333.33333325": "333333333.33333325",
    "-0.0000033333333333333333": "-0.0000033333333333333333",
    "1424953923781206.2": "1424953923781206.2",
    "1.0": "1",
    "1E2": "100",
}

#: RFC 8785 §3.2.2 and §3.2.4: its sample and the octets that it must become.
SAMPLE = rb"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
SAMPLE_CANONICAL = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
).encode()

#: RFC 8785 §3.2.3: names are sorted by their UTF-16 units, so the emoji is before U+FB33.
SORTED = (
    rb'{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}',
    '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}'.encode(),
)


@pytest.mark.parametrize(("digits", "written"), NUMBERS.items())
def test_a_number_is_written_as_ecmascript_does(digits: str, written: str) -> None:
    assert javascript_number(digits) == written


def test_the_sample_of_the_rfc_becomes_its_octets() -> None:
    assert CANONICAL.write(parsed(SAMPLE)) == SAMPLE_CANONICAL
    assert CANONICAL.write(parsed(SORTED[0])) == SORTED[1]


def test_php_escapes_slashes_and_all_beyond_ascii_and_keeps_order_and_digits() -> None:
    body = '{"b":"a/ö\u2028😀\u007f\\u0001\\"\\\\\\n","a":1.0,"c":{},"d":[],"e":[null,true,1e5]}'
    written = (
        r'{"b":"a\/\u00f6\u2028\ud83d\ude00' + "\u007f" + r'\u0001\"\\\n","a":1.0,"c":{},"d":[],'
        '"e":[null,true,1e5]}'
    )
    assert PHP.write(parsed(body.encode())) == written.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":1}x',
        b"NaN",
        b'{"a":Infinity}',
        b"\xff",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"1" * 1_001,
        b'"' + b"a" * 1_000_000 + b'"',
    ],
    ids=lambda body: f"{body[:9]!r}..{len(body)}",
)
def test_what_is_no_json_or_costs_too_much_is_not_parsed(body: bytes) -> None:
    assert parsed(body) is None


def test_what_is_nested_too_deep_or_beyond_a_double_is_not_written() -> None:
    assert CANONICAL.write(parsed(b"[" * 300 + b"]" * 300)) is None
    assert CANONICAL.write(parsed(b"1e999")) is None
    assert CANONICAL.write(parsed(b"[" * 100 + b"]" * 100)) is not None
