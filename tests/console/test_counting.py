"""What the console is asked is counted, under names that nobody outside can make up."""

import pytest

from ingest import metrics
from tests.console.rig import Console

pytestmark = pytest.mark.anyio


def counted() -> dict[tuple[str, str], float]:
    """So many answers, by operation and status."""
    return {
        (sample.labels["operation"], sample.labels["status"]): sample.value
        for family in metrics.CONSOLE_REQUESTS.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


async def test_requests_are_counted_by_operation_and_answer(console: Console) -> None:
    before = counted()

    await console.get("jobs")
    await console.get("jobs", status="pending")
    await console.client.get("/api/v1/jobs/0198f3c0-0000-7000-8000-000000000000")
    await console.client.get("/api/v1/no-such-thing-as-this")
    await console.client.delete("/api/v1/jobs")
    await console.client.get("/api/v1/jobs", headers={"authorization": "Bearer guessed"})

    after = counted()
    new = {key: after[key] - before.get(key, 0) for key in after}
    assert {key: count for key, count in new.items() if count} == {
        ("list_jobs", "200"): 2,
        ("get_job", "404"): 1,
        ("none", "404"): 1,
        ("none", "405"): 1,
        ("none", "401"): 1,
    }
