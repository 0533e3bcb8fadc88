"""Waiting for a condition, never for a duration.

The only place of the tests where time passes on purpose: a test names the condition it needs, and
learns what it waited for when the condition does not come.
"""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")
INTERVAL_SECONDS = 0.01


def wait_until(predicate: Callable[[], T], *, timeout: float = 30.0, describe: str = "") -> T:
    """Return the first truthy value of ``predicate()``, asked for every 10 ms.

    Raises AssertionError after ``timeout`` seconds, saying what was waited for and what the
    predicate returned last. An exception of the predicate is a failure at once.
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(_complaint(predicate, value, timeout, describe))
        pause.wait(INTERVAL_SECONDS)


@overload
async def wait_until_async(
    predicate: Callable[[], Awaitable[T]], *, timeout: float = ..., describe: str = ...
) -> T: ...
@overload
async def wait_until_async(
    predicate: Callable[[], T], *, timeout: float = ..., describe: str = ...
) -> T: ...
async def wait_until_async(
    predicate: Callable[[], object],
    *,
    timeout: float = 30.0,
    describe: str = "",
) -> object:
    """Do what wait_until does inside a running event loop; the predicate may be a coroutine."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(_complaint(predicate, value, timeout, describe))
        await asyncio.sleep(INTERVAL_SECONDS)


def _complaint(predicate: object, value: object, timeout: float, describe: str) -> str:
    what = describe or getattr(predicate, "__qualname__", repr(predicate))
    return f"waited {timeout:g} s in vain for: {what} (last value: {value!r})"
