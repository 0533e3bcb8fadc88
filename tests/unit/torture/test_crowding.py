"""A trial gives everything longer where others want the cores, and no longer where nobody does."""

import pytest

from ops.torture.crowding import sample, stretch


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [([], 1.0), ([1.0, 1.1, 9.0], 1.0), ([1.8, 1.9, 1.9], 1.0), ([6.0, 1.0, 8.0], 3.0)],
)
def test_only_a_machine_that_is_crowded_most_of_the_time_counts(
    samples: list[float], wanted: float
) -> None:
    assert stretch(samples) == pytest.approx(wanted)


def test_a_process_takes_at_least_its_own_time() -> None:
    assert sample() > 0.8
