"""When schedules fire: every field, both clock changes in many zones, and intervals."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.times import Times, cron, every

HOUR = 3_600_000
DAY = 24 * HOUR


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


@pytest.mark.parametrize(
    ("expression", "zone", "since", "wanted"),
    [
        (
            *("*/20 2 * * *", "Europe/Berlin", "2026-10-25T01:00:00"),
            ["02:00 +2", "02:20 +2", "02:40 +2", "02:00 +1", "02:20 +1", "02:40 +1", "02:00 +1"],
        ),
        (
            *("30 * * * *", "Australia/Lord_Howe", "2026-04-05T00:40:00"),
            ["01:30 +11", "01:30 +10.5", "02:30 +10.5"],
        ),
        (
            *("0 */3 * * *", "Australia/Lord_Howe", "2026-04-05T00:40:00"),
            ["03:00 +10.5", "06:00 +10.5"],
        ),
        (
            *("*/20 2,3 * * *", "Europe/Berlin", "2027-03-28T01:00:00"),
            ["03:00 +2", "03:20 +2", "03:40 +2", "02:00 +2"],
        ),
        (
            *("30 0,1 * * *", "Antarctica/Troll", "2026-10-25T00:00:00"),
            ["00:30 +2", "01:30 +2", "00:30 +0"],
        ),
    ],
)
def test_what_a_star_leaves_to_the_clock_fires_whenever_the_clock_shows_it(
    expression: str, zone: str, since: str, wanted: list[str]
) -> None:
    """Set back by an hour, half an hour (Lord Howe), or two (Troll); in a gap it shows nothing."""
    found = islice(cron(expression, zone).after(at(since, ZoneInfo(zone))), len(wanted))
    shown = []
    for one in found:
        local = datetime.fromtimestamp(one // 1_000, ZoneInfo(zone))
        hours = (local.utcoffset() or timedelta()) / timedelta(hours=1)
        shown.append(f"{local:%H:%M} {hours:+g}")
    assert shown == wanted


def test_a_day_that_a_zone_skips_is_no_day_without_its_job() -> None:
    """Samoa had no 30 December 2011; its noon fires right after it, as any time in a gap does."""
    found = fires("0 12 * * *", "2011-12-29T00:00:00", 3, "Pacific/Apia")
    assert found == ["Thu 12-29 12:00", "Sat 12-31 00:00", "Sat 12-31 12:00"]


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


EXPRESSIONS = [
    *("* * * * *", "*/7 * * * *", "30 * * * *", "30 2 * * *", "0,30 1,2,3 * * *", "*/20 2 * * *"),
    *("0 */3 * * 1-5", "0 0 * * *", "15 0 * * SUN", "45 23 L * *"),
]
#: Set back by an hour, by half an hour (Lord Howe), by two (Troll), at midnight (Beirut, Havana,
#: Azores), by night and by day, never (Kolkata), for Ramadan (Casablanca), for good (Volgograd).
ZONES = [
    *("UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns"),
    *("America/Santiago", "America/Havana", "Australia/Lord_Howe", "Antarctica/Troll"),
    *("Asia/Beirut", "Asia/Kolkata", "Africa/Casablanca", "Atlantic/Azores", "Pacific/Chatham"),
    *("Europe/Volgograd", "Asia/Gaza", "Pacific/Apia"),
]
YEARS = st.integers(at("2010-01-01T00:00:00") // 1_000, at("2037-12-31T00:00:00") // 1_000)


def changes(zone: ZoneInfo) -> list[int]:
    """About when (s) its clock is changed, to the hour."""
    hours = range(at("2020-01-01T00:00:00") // 1_000, at("2027-12-31T00:00:00") // 1_000, 3_600)
    days = hours[::24]
    offsets = [datetime.fromtimestamp(day, zone).utcoffset() for day in days]
    return [
        hour
        for day, before, after in zip(days, offsets, offsets[1:], strict=False)
        if before != after
        for hour in range(day, day + 86_400, 3_600)
        if datetime.fromtimestamp(hour, zone).utcoffset()
        != datetime.fromtimestamp(hour + 3_600, zone).utcoffset()
    ]


def holds(times: Times, moment: int) -> None:
    """What is after a moment is after it, what is until it is not, and they mean the same."""
    found = list(islice(times.after(moment), 3))
    assert all(one > moment for one in found)
    assert found == sorted(set(found))
    assert [times.last_until(one) for one in found] == found
    last = times.last_until(moment)
    assert last is not None
    assert last <= moment
    assert times.last_until(found[0] - 1) == last
    assert next(times.after(last - 1)) == last
    assert next(times.after(last)) == found[0]


@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), YEARS, st.integers(0, 999))
@example("30 2 * * *", "Europe/Berlin", at("2026-10-25T01:10:00") // 1_000, 0)
@example("30 1 * * *", "America/New_York", at("2026-11-01T06:10:00") // 1_000, 0)
@example("30 * * * *", "Australia/Lord_Howe", at("2026-04-04T15:10:00") // 1_000, 0)
def test_what_comes_after_is_after_and_what_was_was(
    expression: str, zone: str, second: int, milliseconds: int
) -> None:
    holds(cron(expression, zone), second * 1_000 + milliseconds)


@pytest.mark.parametrize("zone", ZONES)
def test_it_is_so_around_each_change_of_the_clock_too(zone: str) -> None:
    """Before and at each half hour, and off it, around the last two changes that are known."""
    steps = [minutes * 60 + shift for minutes in range(-120, 180, 30) for shift in (-1, 0, 601)]
    for change in changes(ZoneInfo(zone))[-2:]:
        for expression in EXPRESSIONS:
            for step in steps:
                holds(cron(expression, zone), (change + step) * 1_000)


@pytest.mark.parametrize("zone", ZONES)
def test_no_clock_shows_a_time_that_is_not_fired_for(zone: str) -> None:
    """Second by second would be the definition; minutes are as far as cron goes."""
    where = ZoneInfo(zone)
    for change in changes(where)[-2:]:
        minutes = range(change - 7_200, change + 14_400, 60)
        shown = [datetime.fromtimestamp(one, where) for one in minutes]
        wanted = [one for one, local in zip(minutes, shown, strict=True) if local.minute == 30]
        found = islice(cron("30 * * * *", zone).after((minutes[0] - 1) * 1_000), len(wanted))
        assert list(found) == [one * 1_000 for one in wanted]
