"""When an overload counts as survived: nothing lost, all refusals proper, at ten times the load."""

from dataclasses import replace

from ops.bench.figures import Row
from ops.bench.lag import Lag, recovery_seconds
from ops.bench.openloop import Offer, Outcome
from ops.bench.rows.overload import Found, refusals, rows_of
from ops.bench.spending import Spending

IDS = frozenset({"a", "b"})


def accepted(event_id: str) -> Outcome:
    return Outcome(0, 0, 5, 202, has_retry_after=False, event_id=event_id)


def refused(*, status: int = 503, after_ms: float = 4, has_retry_after: bool = True) -> Outcome:
    return Outcome(0, 0, after_ms, status, has_retry_after, "-")


def offered(*more: Outcome) -> Offer:
    """Ten requests in a second, from 100 on: two acknowledged, and refusals."""
    outcomes = [accepted("a"), accepted("b"), *more]
    outcomes += [refused()] * (10 - len(outcomes))
    return Offer(outcomes, unsent=0, seconds=1.0, cpu_seconds=0.1, started=100.0)


#: Ten times what is sustained was offered, and all is well.
SPENT = Spending({"web": 0.001}, 1.0)
LAGS = [Lag(100.5, 3.0), Lag(101.5, 2.0), Lag(104.0, 0.1)]
GOOD = Found(1.0, offered(), IDS, IDS, LAGS, SPENT)


def judged(*runs: Found) -> dict[str, Row]:
    return {row.name.rpartition(".")[2]: row for row in rows_of("sqlite", runs)}


def refusal(*more: Outcome) -> Row:
    return refusals("sqlite", [replace(GOOD, offered=offered(*more))])


def test_an_overload_that_lost_nothing_meets_every_target() -> None:
    rows = judged(GOOD)

    assert (rows["lost"].ours, rows["refusal"].ours, rows["recovery"].ours) == (0, 4, 3.0)
    assert all(row.met for row in rows.values())


def test_an_acknowledged_event_that_is_not_stored_is_lost() -> None:
    lost = judged(replace(GOOD, stored=frozenset({"a"})))["lost"]

    assert (lost.ours, lost.met) == (1, False)


def test_an_acknowledged_event_that_no_handler_saw_is_lost() -> None:
    lost = judged(replace(GOOD, handled=frozenset()))["lost"]

    assert (lost.ours, lost.met) == (2, False)


def test_an_acknowledgement_that_names_no_event_is_lost() -> None:
    assert judged(replace(GOOD, offered=offered(accepted("-"))))["lost"].ours == 1


def test_nothing_is_met_where_less_than_ten_times_was_offered() -> None:
    """The generator may be the one that was overloaded."""
    rows = judged(replace(GOOD, sustained=1.7))

    assert not any(row.met for row in rows.values())
    assert all("only 5.9 times" in row.reason for row in rows.values())
    assert rows["lost"].ours == 0


def test_a_slow_refusal_misses_the_target() -> None:
    row = refusal(refused(after_ms=11))

    assert (row.ours, row.met) == (11, False)


def test_a_refusal_that_does_not_say_when_to_come_again_is_none() -> None:
    row = refusal(refused(has_retry_after=False))

    assert (row.met, row.ours) == (False, 4)
    assert row.reason.startswith("1 were neither accepted nor refused")


def test_a_request_without_an_answer_is_not_a_quick_refusal() -> None:
    assert not refusal(refused(status=0, has_retry_after=False)).met
    assert not refusal(refused(status=500)).met


def test_what_was_lost_in_any_run_counts() -> None:
    lost = judged(GOOD, replace(GOOD, stored=frozenset()), replace(GOOD, stored=frozenset({"a"})))

    assert (lost["lost"].ours, lost["lost"].runs, lost["lost"].met) == (3, 3, False)
    assert lost["lost"].note.startswith("the sum, of 6 acknowledged")


def test_a_time_is_the_median_of_the_runs_and_the_worst_is_told() -> None:
    slow = replace(GOOD, offered=offered(refused(after_ms=90)), lags=[Lag(190.0, 0.1)])
    rows = judged(GOOD, slow, GOOD)

    assert (rows["refusal"].ours, rows["refusal"].met) == (4, True)
    assert "90 ms in the worst run" in rows["refusal"].note
    assert (rows["recovery"].ours, rows["recovery"].met) == (3.0, True)
    assert "89.0 s in the worst run" in rows["recovery"].note


def test_one_run_that_offered_too_little_misses_every_target() -> None:
    rows = judged(GOOD, replace(GOOD, sustained=2.0), GOOD)

    assert not any(row.met for row in rows.values())
    assert "only 5.0 times" in rows["lost"].reason


def test_a_slow_refusal_says_what_answers_cost_in_this_run() -> None:
    row = refusal(refused(after_ms=90))

    assert "10 answers/s, so 300,000 ms; CPU for each: web 100 us" in row.reason
    assert row.ours_per_cpu_second == 10_000


def test_recovery_counts_from_the_end_of_the_schedule_and_not_from_the_first_look() -> None:
    lags = [Lag(90, 5.0), Lag(109, 5.0), Lag(111, 4.0), Lag(117, 0.2), Lag(118, 0.0)]

    assert recovery_seconds(lags, end=110, limit=1) == 7


def test_a_backlog_that_comes_back_has_not_recovered_before() -> None:
    lags = [Lag(111, 0.1), Lag(112, 1.5), Lag(113, 0.1), Lag(114, 0.1)]

    assert recovery_seconds(lags, end=110, limit=1) == 3


def test_a_lag_that_was_always_small_needs_no_recovery() -> None:
    assert recovery_seconds([Lag(105, 0.2), Lag(111, 0.3)], end=110, limit=1) == 0


def test_a_lag_that_nobody_saw_get_small_is_endless() -> None:
    assert recovery_seconds([], end=110, limit=1) == float("inf")
    assert recovery_seconds([Lag(109, 0.1)], end=110, limit=1) == float("inf")
    assert recovery_seconds([Lag(111, 3.0)], end=110, limit=1) == float("inf")


def test_no_recovery_misses_the_target() -> None:
    assert not judged(replace(GOOD, lags=[Lag(150.0, 60.0)]))["recovery"].met
