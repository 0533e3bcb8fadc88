"""What the benchmark makes of its measurements."""

import math

import pytest

from ops.bench.figures import (
    Pair,
    Row,
    Side,
    above_theirs_at_most,
    alone,
    at_most,
    compare,
    missed,
    percentile,
    percentiles,
    ratio_at_least,
    row,
    slope,
)

HALF = ratio_at_least(0.5)
WHY = "both cores are busy"


def pair(ours: float, theirs: float) -> Pair:
    return Pair(Side(ours, 1.0), Side(theirs, 1.0))


def test_the_ratio_is_the_median_of_the_pairs_and_not_of_the_sides() -> None:
    """A machine that slows down half way must not change what the pairs agree on."""
    found = compare(
        "x", "/s", [pair(50, 100), pair(10, 20), pair(30, 10)], HALF, "bare", reason=WHY
    )

    assert (found.ours, found.theirs) == (30, 20)
    assert found.ratio == 0.5


def test_one_bad_minute_does_not_move_a_ratio() -> None:
    pairs = [pair(60, 100), pair(62, 100), pair(1, 100), pair(61, 100), pair(60, 100)]

    assert compare("x", "/s", pairs, HALF, "bare", reason=WHY).ratio == 0.6


@pytest.mark.parametrize(("ours", "met"), [(49.9, False), (50, True), (80, True)])
def test_a_ratio_below_its_target_is_a_miss(ours: float, *, met: bool) -> None:
    found = compare("x", "/s", [pair(ours, 100)], HALF, "bare", reason=WHY)

    assert (found.target, found.met) == (">= 0.5", met)


@pytest.mark.parametrize(("ours", "reason"), [(40, WHY), (60, "")])
def test_a_miss_says_why_and_a_hit_does_not(ours: float, reason: str) -> None:
    assert compare("x", "/s", [pair(ours, 100)], HALF, "bare", reason=WHY).reason == reason
    assert alone("x", "ms", [100 - ours], at_most(50, "ms"), reason=WHY).reason == reason


def test_a_miss_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match=r"accept\.sqlite\.64 missed its target"):
        Row("accept.sqlite.64", "/s", 1.0, 9.0, 0.1, ">= 0.5", False, "bare")


def test_a_row_may_be_missed_for_more_than_its_figure() -> None:
    good = alone("x", "events", [0], at_most(0, "events"), reason=WHY)
    bad = alone("x", "events", [3], at_most(0, "events"), reason=WHY)

    assert (missed(good, "half the load").met, missed(good, "half the load").reason) == (
        False,
        "half the load",
    )
    assert missed(bad, "half the load").reason == f"half the load; {WHY}"


@pytest.mark.parametrize(("ours", "met"), [(12.9, True), (13.1, False)])
def test_a_latency_may_exceed_the_other_sides_by_so_much(ours: float, *, met: bool) -> None:
    found = row("x", "ms", [(ours, 3.0)], above_theirs_at_most(10, "ms"), "bare", reason=WHY)

    assert (found.target, found.met) == ("<= theirs + 10 ms", met)


@pytest.mark.parametrize(("ours", "met"), [([9, 10, 50], True), ([9, 11, 50], False)])
def test_a_figure_without_another_side_has_no_ratio(ours: list[float], *, met: bool) -> None:
    found = alone("x", "ms", ours, at_most(10, "ms"), reason=WHY)

    assert (found.theirs, found.ratio, found.met) == (None, None, met)


def test_work_is_also_counted_per_second_on_a_core() -> None:
    both = Pair(Side(work=900, seconds=3, cpu_seconds=4.5), Side(900, 3, 0.0))
    found = compare("x", "/s", [both], HALF, "bare", reason=WHY)

    assert found.ours == 300
    assert found.ours_per_cpu_second == 200
    assert found.theirs_per_cpu_second is None


def test_another_side_that_did_nothing_is_infinitely_far_behind() -> None:
    assert compare("x", "/s", [pair(1, 0)], HALF, "bare", reason=WHY).ratio == math.inf


def test_two_sides_that_did_nothing_meet_no_target() -> None:
    found = compare("x", "/s", [pair(0, 0)], HALF, "bare", reason=WHY)

    assert (found.ratio, found.met) == (0, False)


@pytest.mark.parametrize(
    ("percent", "value"), [(50, 50), (90, 90), (99, 99), (99.9, 100), (100, 100), (0, 1)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_what_was_never_answered_shows_at_the_end_of_the_percentiles() -> None:
    found = percentiles([1.0] * 98 + [math.inf] * 2)

    assert (found["p50"], found["p90"]) == (1.0, 1.0)
    assert (found["p99"], found["p99.9"]) == (math.inf, math.inf)


def test_a_slope_is_that_of_the_line_through_the_points() -> None:
    assert slope([(0, 10), (1, 12), (2, 14)]) == pytest.approx(2.0)
    assert slope([(0, 10), (1, 12), (2, 10), (3, 12), (4, 10)]) == pytest.approx(0.0)
