"""When resident memory counts as flat, and an event in flight as bounded."""

from ops.bench.figures import Row
from ops.bench.rows.memory import MEBIBYTE, Watched, in_flight_row, slope_rows

KIB = 1_024


def judged(**growth: float) -> dict[str, Row]:
    """Rows of 20 minutes in which roles of 100 MiB grow by so many MiB in ten minutes."""
    samples = [
        (
            at,
            {
                role: int((100 + mebibytes * at / 600) * MEBIBYTE)
                for role, mebibytes in growth.items()
            },
        )
        for at in range(0, 1_201, 5)
    ]
    found = Watched(samples, 1_000, 3, 1_200_000, {"web": 600.0})
    rows = slope_rows("sqlite", found)
    return {row.name.rpartition(".")[2]: row for row in rows}


def test_a_role_that_stays_is_flat() -> None:
    row = judged(web=0.0)["web"]

    assert (row.name, row.met, row.ours) == ("memory.sqlite.web", True, 0)
    assert "+0.00 MiB/h, +- 0.00 at 95 %: not distinguishable from 0" in row.note
    assert row.ours_per_cpu_second == 2_000


def test_growth_within_its_own_error_is_told_and_not_a_miss() -> None:
    """An allocator that takes and gives back 8 MiB: the line through it says nothing."""
    samples = [
        (float(at), {"web": (100 + 8 * (at // 60 % 2)) * MEBIBYTE}) for at in range(0, 1_201, 5)
    ]
    (row,) = slope_rows("sqlite", Watched(samples, 1_000))

    assert row.met
    assert "not distinguishable from 0" in row.note


def test_one_step_of_the_allocator_is_told_and_not_a_miss() -> None:
    row = judged(web=0.9)["web"]

    assert (row.met, row.target) == (True, "0, or < 1 MiB in 10 min")
    assert "+5.40 MiB/h" in row.note
    assert ": distinguishable from 0" in row.note


def test_a_leak_of_two_percent_in_ten_minutes_is_a_miss() -> None:
    row = judged(web=2.0)["web"]

    assert (row.met, round(row.ours)) == (False, 12)
    assert "3.5 bytes an event" in row.note
    assert row.reason


def test_a_role_that_shrinks_does_not_hide_one_that_grows() -> None:
    rows = judged(web=2.0, worker=-3.0, scheduler=0.0)

    assert [rows[role].met for role in ("web", "worker", "scheduler")] == [False, True, True]


def test_what_the_first_half_needs_to_fill_its_pools_does_not_count() -> None:
    samples = [(float(at), {"web": min(at, 600) * MEBIBYTE}) for at in range(0, 1_201, 5)]

    assert slope_rows("sqlite", Watched(samples, 1_000))[0].met


def in_flight(few: int, many: int, accepted: int = 1_000) -> Row:
    """Three rounds with so many KiB for each event that was sent."""
    small, large = few * KIB * 250, many * KIB * 1_000
    return in_flight_row("sqlite", {250: [(small, 250)] * 3, 1_000: [(large, accepted)] * 3})


def test_an_event_in_flight_costs_the_same_however_many_there_are() -> None:
    assert in_flight(12, 15).met
    assert not in_flight(12, 30).met
    assert not in_flight(70, 70).met


def test_events_that_were_refused_do_not_make_the_others_cheaper() -> None:
    assert in_flight(12, 15, accepted=500).ours == 30
    assert not in_flight(12, 15, accepted=500).met
    assert not in_flight(12, 15, accepted=0).met
