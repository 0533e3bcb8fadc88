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
    difference,
    missed,
    percentile,
    percentiles,
    ratio_at_least,
    row,
    slope,
)
from ops.bench.spending import Spending

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
    assert slope([(0, 10), (1, 12), (2, 14)]) == pytest.approx((2.0, 0.0))
    assert slope([(0, 10), (1, 12), (2, 10), (3, 12), (4, 10)])[0] == pytest.approx(0.0)


def test_the_error_of_a_slope_is_that_of_what_the_line_leaves_over() -> None:
    """By hand: a mean of 10.8, hence residuals of 0.8 and 1.2; three of five are free."""
    found, error = slope([(0, 10), (1, 12), (2, 10), (3, 12), (4, 10)])

    squares = 3 * 0.8**2 + 2 * 1.2**2
    assert (found, error) == pytest.approx((0.0, math.sqrt(squares / 3 / 10)))


def test_a_difference_is_the_median_of_the_pairs_and_not_of_the_sides() -> None:
    """The medians, 30 and 10, are 20 apart; most pairs are not."""
    found = row(
        "x", "ms", [(30, 25), (100, 10), (12, 9)], above_theirs_at_most(10, "ms"), "b", reason=WHY
    )

    assert found.met
    assert difference([(30, 25), (100, 10), (12, 9)]) == 5


def test_two_sides_that_never_answered_are_not_equal() -> None:
    assert difference([(math.inf, math.inf)]) == math.inf
    assert not row(
        "x", "ms", [(math.inf, math.inf)], above_theirs_at_most(10, "ms"), "bare", reason=WHY
    ).met


def test_a_request_of_ours_that_failed_misses_the_target_whatever_the_rate() -> None:
    failing = Pair(Side(90, 1.0, failures=2), Side(100, 1.0))
    found = compare("x", "/s", [pair(90, 100), failing], HALF, "bare", reason=WHY)

    assert (found.met, found.reason) == (False, "2 of our requests failed")


def test_a_request_of_theirs_that_failed_is_told() -> None:
    failing = Pair(Side(90, 1.0), Side(100, 1.0, failures=1_200))
    found = compare("x", "/s", [failing], HALF, "bare", reason=WHY, note="n")

    assert (found.met, found.note) == (True, "n; 1,200 of their requests failed")


@pytest.mark.parametrize(
    ("unit", "one"), [("events/s", "event"), ("deliveries/s", "delivery"), ("rows/s", "row")]
)
def test_a_cost_is_that_of_one_piece(unit: str, one: str) -> None:
    pairs = [Pair(Side(1, 1, 1, spending=Spending({"web": 1}, 1)), Side(100, 1))]

    assert f"CPU for each {one}: ours" in compare("x", unit, pairs, HALF, "b", reason=WHY).reason


def test_the_reason_of_a_miss_has_the_figures_of_its_own_run() -> None:
    ours = Spending({"web": 0.01, "writer": 0.005}, 0.97, {"wrk": 0.002})
    theirs = Spending({"server": 0.02}, 1.0)
    pairs = [Pair(Side(100, 1.0, 0.015, spending=ours), Side(400, 1.0, 0.02, spending=theirs))]
    found = compare("x", "requests/s", pairs, HALF, "bare", reason=WHY)

    assert found.reason == (
        f"{WHY}; this run, CPU for each request: "
        "ours: web 100 us, writer 50 us, wrk 20 us, all cores 97% busy; "
        "theirs: server 50 us, all cores 100% busy"
    )


def test_the_ratio_per_second_on_a_core_is_the_median_of_the_pairs_too() -> None:
    def spending(ours: float, theirs: float) -> Pair:
        return Pair(Side(100, 1, ours), Side(100, 1, theirs))

    pairs = [spending(2, 1), spending(1, 4), spending(1, 1)]

    assert compare("x", "/s", pairs, HALF, "bare", reason=WHY).ratio_per_cpu_second == 1
    assert compare("x", "/s", [pair(1, 1)], HALF, "b", reason=WHY).ratio_per_cpu_second is None
