import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config.durations import (
    DURATION_UNITS,
    format_duration,
    parse_days,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500),
        ("15s", 15_000),
        ("2.5s", 2_500),
        ("5m", 300_000),
        ("6 h", 21_600_000),
        ("3d", 259_200_000),
        ("2w", 1_209_600_000),
        ("0s", 0),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("512B", 512), ("10MB", 10_000_000), ("25MiB", 26_214_400), ("1.5KB", 1_500), ("1GiB", 2**30)],
)
def test_sizes_tell_decimal_from_binary_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "15",
        "s",
        "-1s",
        "15 seconds",
        "1h30m",
        "1e3s",
        "٣s",
        "15S",
        "0.0001ms",
        "1000000000000000w",
    ],
)
def test_a_text_that_is_no_duration_is_answered_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='a duration such as "15s"'):
        parse_duration(text)


@pytest.mark.parametrize("value", [15, 1.5, True, None, ["15s"]])
def test_a_bare_number_is_told_to_carry_its_unit_in_quotes(value: object) -> None:
    """15 of what? A number without a unit is how a timeout becomes 15 milliseconds."""
    with pytest.raises(ValueError, match="in quotes"):
        parse_duration(value)


@pytest.mark.parametrize("text", ["10", "10 megabytes", "10mb", "10M"])
def test_a_text_that_is_no_size_is_answered_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='a size such as "512KB"'):
        parse_size(text)


def test_days_are_whole_and_at_least_one() -> None:
    assert parse_days("90d") == 90
    assert parse_days("2w") == 14
    assert parse_days("48h") == 2
    for text in ("36h", "0d", "12h"):
        with pytest.raises(ValueError, match='whole days such as "90d"'):
            parse_days(text)


@given(st.integers(min_value=0, max_value=10**12), st.sampled_from(sorted(DURATION_UNITS)))
def test_a_formatted_duration_reads_back_the_same(amount: int, unit: str) -> None:
    milliseconds = min(amount * DURATION_UNITS[unit], 10**15 - 1)
    assert parse_duration(format_duration(milliseconds)) == milliseconds


def test_a_duration_is_written_in_its_largest_exact_unit() -> None:
    assert format_duration(259_200_000) == "3d"
    assert format_duration(90_000) == "90s"
    assert format_duration(1_001) == "1001ms"
    assert format_duration(0) == "0ms"
