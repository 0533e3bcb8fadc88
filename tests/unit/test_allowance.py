"""So many in so long: what a source's rate limit and what is kept of forgeries go by."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.allowance import Allowance, Rate


def test_a_burst_is_allowed_and_then_only_the_rate() -> None:
    allowance = Allowance(Rate(60, 60), now=0.0)
    assert [allowance.take(0.0) for _ in range(61)] == [True] * 60 + [False]
    assert [allowance.take(0.9), allowance.take(1.1), allowance.take(1.2)] == [False, True, False]
    assert sum(allowance.take(1_000.0) for _ in range(100)) == 60, "an idle hour saves up no more"


def test_it_says_how_long_to_wait_for_the_next() -> None:
    allowance = Allowance(Rate(2, 60), now=0.0)
    assert allowance.wait_seconds == 0
    assert [allowance.take(0.0) for _ in range(3)] == [True, True, False]
    assert allowance.wait_seconds == 30
    assert not allowance.take(10.0)
    assert round(allowance.wait_seconds, 6) == 20
    assert allowance.take(31.0)


@given(
    st.integers(1, 1_000),
    st.integers(1, 3_600),
    st.lists(st.floats(0, 100), min_size=1, max_size=200),
)
def test_no_stretch_of_time_gives_more_than_a_burst_and_what_it_earned(
    amount: int, seconds: int, pauses: list[float]
) -> None:
    allowance, now, taken = Allowance(Rate(amount, seconds), 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += sum(allowance.take(now) for _ in range(3))
        assert taken <= amount + now * amount / seconds + 1e-6
