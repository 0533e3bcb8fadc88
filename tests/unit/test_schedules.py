"""Which moments of a schedule have a job: what has just come, and what was missed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.schedules import MISSED_MS, MOST_AT_ONCE, CatchUp, Due, due
from ingest.times import cron, every

HOUR = 3_600_000
SECOND = 1_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


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


#: The clock of each is set back at the end of the first hour after this moment.
SET_BACK = [
    ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00", ["00:30"]),
    ("30 1 * * *", "America/New_York", "2026-11-01T05:00:00", ["05:30"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00", ["14:45"]),
    ("30 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00", ["14:30", "15:00", "16:00"]),
    ("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:59:00", ["00:00", "00:30", "01:00", "01:30"]),
]


@pytest.mark.parametrize("catch_up", CatchUp)
@pytest.mark.parametrize(("expression", "zone", "start", "wanted"), SET_BACK)
def test_a_scheduler_that_looks_each_second_finds_what_comes_as_the_clock_is_set_back(
    catch_up: CatchUp, expression: str, zone: str, start: str, wanted: list[str]
) -> None:
    """A moment that is found again at every look would be a transaction at every look."""
    times, since = cron(expression, zone), at(start)
    found: list[int] = []
    for now in range(since + SECOND, since + 2 * HOUR + 30 * 60 * SECOND, SECOND):
        come = due(times, catch_up, since, now)
        if come.moments:
            found += come.moments
            since = come.until
    clock = [datetime.fromtimestamp(one / 1_000, UTC).strftime("%H:%M") for one in found]
    assert clock == wanted


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_schedule_that_is_new_in_the_repeated_hour_makes_nothing_of_the_past(
    catch_up: CatchUp,
) -> None:
    """It is 02:10 for the second time: 02:30 was, and comes again tomorrow."""
    new = at("2026-10-25T01:10:00")
    found = due(cron("30 2 * * *", "Europe/Berlin"), catch_up, new, new + 50 * 60 * SECOND)
    assert found.moments == ()


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
