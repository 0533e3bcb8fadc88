"""Schedules, as programs see them."""

import pytest

from tests.console.rig import Console

pytestmark = pytest.mark.anyio


async def test_schedules_are_listed(console: Console) -> None:
    answer = await console.client.get("/api/v1/schedules")

    assert answer.status_code == 200
    found = {item["name"]: item for item in answer.json()["items"]}
    assert {"retention", "cleanup", "report"} <= found.keys()
    report = found["report"]
    next_at = report.pop("next_at")
    assert next_at % 86_400_000 == 2 * 3_600_000, "02:00"
    assert report == {
        "name": "report",
        "origin": "shipped",
        "enabled": True,
        "job": "report",
        "times": "0 2 * * *",
        "zone": "UTC",
        "catch_up": "once",
        "last_at": None,
    }
