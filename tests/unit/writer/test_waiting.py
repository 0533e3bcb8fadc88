"""How many senders may wait for a real writer: fewer while its answers come late."""

import asyncio
import time

import pytest

from ingest.writer import waiting
from tests.unit.writer.desk import Desk, Gate, accepted, arrival, running
from tests.waiting import wait_until_async

pytestmark = pytest.mark.anyio

TIMEOUT_SECONDS = 3.0
LATE_SECONDS = TIMEOUT_SECONDS / 3


def submit(desk: Desk, number: int) -> None:
    for _ in range(number):
        desk.writer.submit(arrival(), lambda _said: None)


async def test_answers_that_come_late_leave_room_for_fewer(
    sqlite_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or all would be let in under a lasting overload, wait, and be told to come again."""
    monkeypatch.setattr(waiting, "WAITING_EVENTS", 100)
    async with running(sqlite_url, TIMEOUT_SECONDS) as desk:
        assert await answered_late(desk, gate)
        gate.open.clear()
        full = []
        for number in (74, 1):
            submit(desk, number)
            full.append(desk.writer.full)
        assert full == [False, True], "three quarters of the room are left"
        gate.open.set()
        await wait_until_async(lambda: not desk.writer.full, describe="their commit")


async def answered_late(desk: Desk, gate: Gate) -> bool:
    """Have an event committed that waited for longer than a sender likes, but not in vain."""
    began = time.monotonic()
    one = asyncio.create_task(accepted(desk.writer, arrival()))
    await wait_until_async(lambda: time.monotonic() > began + LATE_SECONDS, describe="lateness")
    gate.open.set()
    return await one


async def test_where_the_oldest_has_little_time_left_nobody_else_is_let_in(
    sqlite_url: str, gate: Gate
) -> None:
    async with running(sqlite_url, timeout_seconds=1.0) as desk:
        began = time.monotonic()
        submit(desk, 1)
        assert not desk.writer.full
        await wait_until_async(lambda: desk.writer.full, describe="half of its time to pass")
        assert 0.5 <= time.monotonic() - began < 1.0
        gate.open.set()
        await wait_until_async(lambda: not desk.writer.full, describe="its answer")
