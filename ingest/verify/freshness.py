"""Judges a signed timestamp: neither older nor newer than the tolerance."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from typing import Final

from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected
from ingest.verify.words import TimestampFormat

_DIGITS: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
#: RFC 3339 with any number of fractional digits. Without an offset it is UTC, as Orb sends it.
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)

_RFC2822: Final = re.compile(
    r"([A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d ([+-]\d{4}|GMT|UTC)", re.ASCII
)

#: Of ``auto``: as milliseconds 1973, as seconds the year 5138.
_LEAST_MS: Final = 10**11


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
    side, most = ("ago", provider.tolerance_seconds) if age > 0 else ("from now", _ahead(provider))
    if abs(age) <= most:
        return None
    return Rejected(
        Reason.STALE_TIMESTAMP,
        f"signed {abs(age):.0f} s {side}; at most {most} s are allowed. "
        "An old request sent again, or a clock that is wrong.",
    )


def _ahead(provider: Provider) -> int:
    """How many seconds the sender's clock may be ahead of ours."""
    ahead = provider.future_seconds
    return provider.tolerance_seconds if ahead is None else ahead


def to_ms(text: str, timestamp_format: TimestampFormat) -> int | None:
    """Milliseconds since the epoch, or None where the text is not of the format. Never raises."""
    if timestamp_format == "iso8601":
        return _from_rfc3339(text)
    if timestamp_format == "rfc2822":
        return _from_rfc2822(text)
    if not _DIGITS.fullmatch(text):
        return _from_date(text) if timestamp_format == "auto" else None
    number = int(text)
    in_seconds = timestamp_format == "s" or (timestamp_format == "auto" and number < _LEAST_MS)
    return number * 1_000 if in_seconds else number


def to_text(now: int, timestamp_format: TimestampFormat) -> str:
    """Write a time in ms as a sender does."""
    if timestamp_format == "iso8601":
        moment = dt.datetime.fromtimestamp(now / 1_000, dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if timestamp_format == "rfc2822":
        return email.utils.formatdate(now // 1_000, usegmt=True)
    return str(now if timestamp_format == "ms" else now // 1_000)


def _from_date(text: str) -> int | None:
    found = _from_rfc3339(text)
    return _from_rfc2822(text) if found is None else found


def _from_rfc2822(text: str) -> int | None:
    """Read a date of RFC 2822 or RFC 9110 (``Date:``); without an offset it means nothing."""
    if not _RFC2822.fullmatch(text):
        return None
    try:
        moment = email.utils.parsedate_to_datetime(text)
        # -0000 is UTC told from an unknown place, and parses as no offset at all.
        return int(moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()) * 1_000
    except (ValueError, OverflowError):
        return None


def _from_rfc3339(text: str) -> int | None:
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        return None
    date, time, fraction, offset = parts.groups()
    try:
        moment = dt.datetime.fromisoformat(f"{date}T{time}{(offset or 'Z').upper()}")
        whole = int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    return whole * 1_000 + int(float(fraction or "0") * 1_000)
