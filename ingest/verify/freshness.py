"""Judges a signed timestamp: neither older nor newer than the tolerance."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from ingest.verify.places import Reading
from ingest.verify.provider import Provider, TimestampFormat
from ingest.verify.request import Reason, Rejected

_DIGITS: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
#: RFC 3339 with any number of fractional digits; the offset is needed, or the time means nothing.
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def check_freshness(provider: Provider, reading: Reading, now: int | None) -> Rejected | None:
    """None where the timestamp is fresh, where the provider signs none, or without a clock."""
    if provider.timestamp is None or now is None:
        return None
    found = provider.timestamp.extract(reading)
    sent_at = None if found is None else to_ms(found.text, provider.timestamp_format)
    if sent_at is None:
        return Rejected(
            Reason.MALFORMED_TIMESTAMP,
            f"the signed timestamp is missing or not of the format {provider.timestamp_format!r}",
        )
    age = (now - sent_at) / 1_000
    if abs(age) <= provider.tolerance_seconds:
        return None
    side = "ago" if age > 0 else "from now"
    return Rejected(
        Reason.STALE_TIMESTAMP,
        f"signed {abs(age):.0f} s {side}; at most {provider.tolerance_seconds} s are allowed. "
        "An old request sent again, or a clock that is wrong.",
    )


def to_ms(text: str, timestamp_format: TimestampFormat) -> int | None:
    """Milliseconds since the epoch, or None where the text is not of the format. Never raises."""
    if timestamp_format == "iso8601":
        return _from_rfc3339(text)
    if not _DIGITS.fullmatch(text):
        return None
    return int(text) * 1_000 if timestamp_format == "s" else int(text)


def to_text(now: int, timestamp_format: TimestampFormat) -> str:
    """Write a time in ms as a sender does."""
    if timestamp_format == "iso8601":
        moment = dt.datetime.fromtimestamp(now / 1_000, dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(now // 1_000 if timestamp_format == "s" else now)


def _from_rfc3339(text: str) -> int | None:
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        return None
    date, time, fraction, offset = parts.groups()
    try:
        moment = dt.datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
        whole = int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    return whole * 1_000 + int(float(fraction or "0") * 1_000)
