"""Words that say which rows are wanted: understood exactly, or refused with the reason."""

import pytest

from ingest.export.formats import Format
from ingest.filters import (
    MOST_TYPES,
    SETTLED_MS,
    Dataset,
    Filter,
    Range,
    Refused,
    chosen,
    read_filter,
    read_range,
    spelled,
)

NOW = 1_795_000_000_000  # 2026-11-18
HOUR_MS = 3_600_000
SOURCES = {"github", "stripe"}


def test_a_filter_says_the_same_whatever_the_order_of_its_types() -> None:
    one = read_filter(Dataset.EVENTS, types=["push", "issues", "push"], sources=SOURCES)
    assert one == read_filter(Dataset.EVENTS, types=["issues", "push"], sources=SOURCES)
    assert one == Filter(types=("issues", "push"))


@pytest.mark.parametrize(
    ("words", "field", "reason"),
    [
        ({"source": "githb"}, "source", 'did you mean "github"'),
        ({"source": "x"}, "source", "one of: github, stripe"),
        ({"state": "dispached"}, "state", 'did you mean "dispatched"'),
        ({"state": "dead"}, "state", "one of: dispatched, stored, unmatched"),
        ({"types": ["*.opened"]}, "types", "at the end"),
        ({"types": [""]}, "types", "''"),
        ({"types": ["a\0b"]}, "types", "no event"),
        ({"types": ["\udc80*"]}, "types", "no event"),
        ({"types": [f"t{number}" for number in range(MOST_TYPES + 1)]}, "types", "101 are too"),
    ],
    ids=str,
)
def test_a_bad_filter_is_refused(words: dict[str, str], field: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        read_filter(Dataset.EVENTS, sources=SOURCES, **words)
    assert refused.value.field == field


def test_only_deliveries_have_a_destination() -> None:
    wanted = read_filter(Dataset.DELIVERIES, destination="billing", sources=SOURCES)
    assert wanted == Filter(destination="billing")
    with pytest.raises(Refused, match="ask for deliveries") as refused:
        read_filter(Dataset.EVENTS, destination="billing", sources=SOURCES)
    assert refused.value.field == "destination"
    with pytest.raises(Refused, match="such a name"):
        read_filter(Dataset.DELIVERIES, destination="a\0", sources=SOURCES)


def test_deliveries_have_states_of_their_own() -> None:
    assert read_filter(Dataset.DELIVERIES, state="dead", sources=SOURCES).state == "dead"
    with pytest.raises(Refused, match="state"):
        read_filter(Dataset.DELIVERIES, state="unmatched", sources=SOURCES)


@pytest.mark.parametrize("format_", ["xml", "PARQUET", ""])
def test_an_unknown_format_is_refused(format_: str) -> None:
    with pytest.raises(Refused, match="there is no format"):
        chosen("format", Format, format_)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, Range(0, NOW - SETTLED_MS)),
        ("2h", "1h", Range(NOW - 2 * HOUR_MS, NOW - HOUR_MS)),
        ("2026-11-01", None, Range(1_793_491_200_000, NOW - SETTLED_MS)),
        ("2026-11-01T02:00+02:00", None, Range(1_793_491_200_000, NOW - SETTLED_MS)),
        ("2h", "2100-01-01", Range(NOW - 2 * HOUR_MS, NOW - SETTLED_MS)),
    ],
    ids=str,
)
def test_a_range_is_a_duration_ago_or_a_time(
    since: str | None, until: str | None, expected: Range
) -> None:
    """What is younger than a minute may still be committed behind what is older."""
    assert read_range(since, until, NOW) == expected


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        ("yesterday", None, "since"),
        ("7x", None, "since"),
        (None, "2026-13-01", "until"),
        ("1h", "2h", "since"),
        ("10s", None, "since"),
        ("2100-01-01", None, "since"),
    ],
)
def test_a_bad_range_is_refused(since: str | None, until: str | None, field: str) -> None:
    with pytest.raises(Refused) as refused:
        read_range(since, until, NOW)
    assert refused.value.field == field


def test_a_time_that_is_written_can_be_read() -> None:
    assert read_range(spelled(NOW - HOUR_MS - 1), None, NOW).since == NOW - HOUR_MS - 1
