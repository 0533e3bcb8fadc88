"""Timestamps in the three spellings that senders use."""

import pytest

from ingest.verify import Reason, Rejected, Request, Secret, Verified, custom_provider, verify
from ingest.verify.freshness import to_ms, to_text
from ingest.verify.words import TimestampFormat
from tests.unit.verify.our_signing import sign_body

NOW = 1_760_000_000_000


@pytest.mark.parametrize(
    ("timestamp_format", "text", "expected"),
    [
        ("s", "1760000000", NOW),
        ("s", "0", 0),
        ("ms", "1760000000123", NOW + 123),
        ("iso8601", "2025-10-09T08:53:20Z", NOW),
        ("iso8601", "2025-10-09t08:53:20z", NOW),
        ("iso8601", "2025-10-09T10:53:20+02:00", NOW),
        ("iso8601", "2025-10-09T08:53:20.123456789Z", NOW + 123),
        ("iso8601", "2025-10-09T08:53:20", NOW),  # Orb's own, which is UTC
        ("iso8601", "2025-10-09T08:53:20.551", NOW + 551),
        ("rfc2822", "Thu, 09 Oct 2025 08:53:20 GMT", NOW),
        ("rfc2822", "Thu, 09 Oct 2025 10:53:20 +0200", NOW),
        ("rfc2822", "9 Oct 2025 08:53:20 -0000", NOW),
        ("rfc2822", "Thu, 39 Oct 2025 08:53:20 GMT", None),
        ("rfc2822", "Thu, 09 Oct 2025 08:53:20", None),
        ("rfc2822", "Thu, 09 Xyz 2025 08:53:20 GMT", None),
        ("rfc2822", "1760000000", None),
        ("auto", "1760000000", NOW),
        ("auto", "1760000000000", NOW),
        ("auto", "2025-10-09T08:53:20Z", NOW),
        ("auto", "Thu, 09 Oct 2025 08:53:20 GMT", NOW),
        ("auto", "yesterday", None),
        ("iso8601", "2025-13-09T08:53:20Z", None),
        ("iso8601", "2025-10-09T08:53:20+99:00", None),
        ("iso8601", "1760000000", None),
        ("s", "", None),
        ("s", "-1760000000", None),
        ("s", "+1760000000", None),
        ("s", " 1760000000", None),
        ("s", "1760000000\n", None),
        ("s", "1_760_000_000", None),
        ("s", "1760000000.5", None),
        ("s", "1e9", None),
        ("s", "١٧٦٠٠٠٠٠٠٠", None),  # digits, but not ASCII's
        ("s", "9" * 17, None),
        ("ms", "NaN", None),
    ],
)
def test_a_timestamp_is_read_in_its_own_format_only(
    timestamp_format: TimestampFormat, text: str, expected: int | None
) -> None:
    assert to_ms(text, timestamp_format) == expected


@pytest.mark.parametrize("timestamp_format", ["s", "ms", "iso8601"])
def test_what_is_written_is_read_again(timestamp_format: TimestampFormat) -> None:
    assert to_ms(to_text(NOW, timestamp_format), timestamp_format) == NOW


@pytest.mark.parametrize("timestamp_format", ["s", "ms", "iso8601"])
def test_a_users_scheme_is_held_to_its_own_tolerance(timestamp_format: str) -> None:
    provider = custom_provider(
        "acme",
        {
            "family": "hmac",
            "header": "X-Signature",
            "content": "{ts}{body}",
            "timestamp": "header:X-Time",
            "timestamp_format": timestamp_format,
            "tolerance_seconds": 5,
        },
    )
    request = Request("POST", "/", tuple(sign_body(provider, b"{}", b"s", NOW)), b"{}")
    secrets = [Secret("s", b"s")]
    assert isinstance(verify(provider, request, secrets, NOW + 5_000), Verified)
    for moment in (NOW + 6_000, NOW - 6_000):
        verdict = verify(provider, request, secrets, moment)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.STALE_TIMESTAMP


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"time":1760000000000}', None),
        (b'{"time":1759999000000}', Reason.STALE_TIMESTAMP),
        (b'{"time":"soon"}', Reason.MALFORMED_TIMESTAMP),
        (b"{}", Reason.MALFORMED_TIMESTAMP),
        (b"not json", Reason.MALFORMED_TIMESTAMP),
    ],
)
def test_a_timestamp_inside_the_body_is_held_to_it_too(body: bytes, reason: Reason | None) -> None:
    provider = custom_provider(
        "linear",
        {
            "family": "hmac",
            "header": "Linear-Signature",
            "timestamp": "body:time",
            "timestamp_format": "ms",
            "tolerance_seconds": 60,
        },
    )
    request = Request("POST", "/", tuple(sign_body(provider, body, b"s", NOW)), body)
    verdict = verify(provider, request, [Secret("s", b"s")], NOW)
    assert (verdict.reason if isinstance(verdict, Rejected) else None) is reason
    assert isinstance(verify(provider, request, [Secret("s", b"s")], None), Verified)
