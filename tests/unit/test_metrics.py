"""A batch in a histogram is what its values would be one by one."""

import pytest
from prometheus_client import CollectorRegistry

from ingest.metrics import Histogram

BUCKETS = (0.5, 1.0, 5.0)


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Every figure by its name and bucket, but for when it was made."""
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


@pytest.mark.parametrize(
    "amounts",
    [
        [],
        [0.25],
        [0.5, 1.0, 5.0],  # a bound belongs to its own bucket
        [0.0, 0.75, 0.75, 5.5, 1_000_000.0],
        [-1.0],
    ],
    ids=str,
)
def test_a_batch_counts_as_its_values_do_one_by_one(amounts: list[float]) -> None:
    together, apart = CollectorRegistry(), CollectorRegistry()
    Histogram("x", "x", ["a"], registry=together, buckets=BUCKETS).labels("1").observe_all(amounts)
    single = Histogram("x", "x", ["a"], registry=apart, buckets=BUCKETS).labels("1")
    for amount in amounts:
        single.observe(amount)

    assert samples(together) == samples(apart)
    assert samples(together)["x_count", ""] == len(amounts)
