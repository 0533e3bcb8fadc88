"""When schedules fire: every field, both clock changes, intervals, and what was missed."""

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.schedules import MISSED_MS, MOST_AT_ONCE, CatchUp, Due, cron, due, every

HOUR = 3_600_000
DAY = 24 * HOUR
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo | None = None) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=zone or UTC).timestamp()) * 1_000


def fires(expression: str, since: str, times: int, zone: str = "UTC") -> list[str]:
    found = islice(cron(expression, zone).after(at(since, ZoneInfo(zone))), times)
    return [
        datetime.fromtimestamp(one // 1_000, ZoneInfo(zone)).strftime("%a %m-%d %H:%M")
        for one in found
    ]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("30 4 * * *", ["Sun 11-01 04:30", "Mon 11-02 04:30"]),
        ("*/20 9-10 * * *", ["Sun 11-01 09:00", "Sun 11-01 09:20"]),
        ("0 0 1 * *", ["Tue 12-01 00:00", "Fri 01-01 00:00"]),
        ("0 0 31 * *", ["Thu 12-31 00:00", "Sun 01-31 00:00"]),
        ("0 12 * FEB MON", ["Mon 02-01 12:00", "Mon 02-08 12:00"]),
        ("0 6 * * 0", ["Sun 11-01 06:00", "Sun 11-08 06:00"]),
        ("0 6 * * 7", ["Sun 11-01 06:00", "Sun 11-08 06:00"]),
        ("0 6 * * SUN", ["Sun 11-01 06:00", "Sun 11-08 06:00"]),
        ("0 6 * * 5-7", ["Sun 11-01 06:00", "Fri 11-06 06:00"]),
        ("0 0 13 * FRI", ["Fri 11-06 00:00", "Fri 11-13 00:00"]),
        ("5,10 0 L * *", ["Mon 11-30 00:05", "Mon 11-30 00:10"]),
    ],
)
def test_every_field_means_what_cron_means_by_it(expression: str, wanted: list[str]) -> None:
    assert fires(expression, "2026-11-01T00:00:00", 2) == wanted


def test_a_time_that_the_clocks_skip_fires_right_after_the_gap() -> None:
    """02:00 to 03:00 of 2027-03-28 does not exist in Berlin."""
    found = fires("30 2 * * *", "2027-03-27T12:00:00", 2, "Europe/Berlin")
    assert found == ["Sun 03-28 03:00", "Mon 03-29 02:30"]


def test_a_time_that_the_clocks_repeat_fires_once() -> None:
    """02:30 of 2026-10-25 comes twice in Berlin."""
    found = fires("30 2 * * *", "2026-10-24T12:00:00", 2, "Europe/Berlin")
    assert found == ["Sun 10-25 02:30", "Mon 10-26 02:30"]


def test_a_zone_keeps_its_wall_clock_over_the_year() -> None:
    winter, summer = (
        next(cron("0 2 * * *", "Europe/Berlin").after(at(day))) % DAY
        for day in ("2026-01-10T12:00:00", "2026-07-10T12:00:00")
    )
    assert (winter // HOUR, summer // HOUR) == (1, 0)


@pytest.mark.parametrize(
    ("expression", "zone", "word"),
    [
        ("* * * *", "UTC", "five"),
        ("0 2 * * * *", "UTC", "five"),
        ("60 * * * *", "UTC", "minute"),
        ("* 24 * * *", "UTC", "hour"),
        ("* * 0 * *", "UTC", "day-of-month"),
        ("* * * 13 *", "UTC", "month"),
        ("* * * * 8", "UTC", "day-of-week"),
        ("* * * * FRI-MON", "UTC", "day-of-week"),
        ("0 0 30 2 *", "UTC", "day-of-month"),
        ("0 2 * * *", "Mars/Olympus", "time zone"),
        ("0 2 * * *", "../../etc/passwd", "time zone"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_field(
    expression: str, zone: str, word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        cron(expression, zone)


def test_an_interval_is_the_same_for_every_scheduler() -> None:
    assert list(islice(every(15_000).after(at("2026-11-01T00:00:07")), 2)) == [
        at("2026-11-01T00:00:15"),
        at("2026-11-01T00:00:30"),
    ]
    with pytest.raises(ValueError, match="at least a second"):
        every(999)


@pytest.mark.parametrize(
    ("catch_up", "days"), [(CatchUp.SKIP, []), (CatchUp.ONCE, [4]), (CatchUp.ALL, [2, 3, 4])]
)
def test_what_was_missed_is_skipped_or_made_up_for_once_or_each(
    catch_up: CatchUp, days: list[int]
) -> None:
    since, now = at("2026-11-01T12:00:00"), at("2026-11-04T12:00:00")
    found = due(cron("0 2 * * *"), catch_up, since, now)
    assert found == Due(tuple(at(f"2026-11-0{day}T02:00:00") for day in days), now)


@pytest.mark.parametrize("catch_up", CatchUp)
def test_what_has_just_come_always_counts(catch_up: CatchUp) -> None:
    moment = at("2026-11-04T02:00:00")
    assert due(cron("0 2 * * *"), catch_up, moment - 500, moment + 200).moments == (moment,)
    assert due(cron("0 2 * * *"), catch_up, moment, moment + 200).moments == ()


def test_a_long_absence_is_made_up_for_in_portions_that_miss_nothing() -> None:
    since, now = 0, (2 * MOST_AT_ONCE + 5) * 1_000
    moments: list[int] = []
    while since < now:
        found = due(every(1_000), CatchUp.ALL, since, now)
        moments += found.moments
        since = found.until
    assert moments == list(range(1_000, now + 1, 1_000))


def test_years_of_absence_cost_nothing_where_one_job_makes_up_for_them() -> None:
    now = at("2026-11-01T00:00:30")
    (moment,) = due(cron("* * * * *"), CatchUp.ONCE, 0, now - MISSED_MS).moments[:1]
    assert now - MISSED_MS * 3 < moment <= now


@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 */3 * * 1-5", "15 1,2,3 * * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.lists(st.integers(1, 40 * 60_000), min_size=1, max_size=60),
    st.integers(at("2026-01-01T00:00:00"), at("2027-12-31T00:00:00")),
)
def test_however_often_a_scheduler_looks_each_moment_is_found_once(
    expression: str, zone: str, pauses: list[int], start: int
) -> None:
    times = cron(expression, zone)
    whole = due(times, CatchUp.ALL, start, start + sum(pauses)).moments
    parts: list[int] = []
    since = start
    for pause in pauses:
        found = due(times, CatchUp.ALL, since, since + pause)
        parts += found.moments
        since = found.until
    assert tuple(parts) == whole
