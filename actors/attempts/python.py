"""One attempt by a Python handler: call it under its time limit and judge how it ended.

A sync handler runs in the calling thread and is interrupted there; an async one runs on the
event loop and is cancelled. Returning is success, ``Permanent`` is final, any other exception is
tried again.
"""

import asyncio
import inspect
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from dramatiq.middleware.time_limit import TimeLimitExceeded

from actors.batch import UNFINISHED
from actors.middleware.limits import Limits, WorkerStops
from ingest.errors import Permanent
from ingest.events import AttemptOutcome, AttemptResult, Event
from ingest.handlers import Handler

MESSAGE_LIMIT = 2_000

#: Runs a coroutine on the event loop and waits for it.
RunOnLoop = Callable[[Coroutine[Any, Any, AttemptResult]], AttemptResult]

SUCCESS = AttemptResult(AttemptOutcome.SUCCEEDED, "ok")


def attempt(
    handler: Handler, event: Event, limits: Limits, run_on_loop: RunOnLoop
) -> AttemptResult:
    """Call a sync handler in this thread, interrupted at its limit."""
    try:
        with limits.limit(handler.time_limit_seconds):
            returned = handler.function(_given(handler, event))
    except TimeLimitExceeded:
        return _timed_out(handler)
    except BaseException as error:  # noqa: BLE001 - a handler's sys.exit() must not end the worker
        return failure(error)
    if inspect.iscoroutine(returned):  # a plain function around an async one
        return run_on_loop(_finish(handler, returned))
    return SUCCESS


async def attempt_async(handler: Handler, event: Event) -> AttemptResult:
    """Call an async handler on this loop, cancelled at its limit."""
    return await _finish(handler, handler.function(_given(handler, event)))


def _given(handler: Handler, event: Event) -> Event:
    """Say on the event who gets it: the inbox marks what a handler did under its name."""
    return event if event.handler == handler.name else replace(event, handler=handler.name)


async def _finish(handler: Handler, coroutine: Coroutine[Any, Any, Any]) -> AttemptResult:
    try:
        async with asyncio.timeout(handler.time_limit_seconds) as limit:
            await coroutine
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # we are being cancelled, not the handler
        if isinstance(error, TimeoutError) and limit.expired():
            return _timed_out(handler)
        return failure(error)
    return SUCCESS


def failure(error: BaseException) -> AttemptResult:
    """Judge an exception of a handler."""
    if isinstance(error, Permanent):
        return AttemptResult(AttemptOutcome.PERMANENT, "permanent", cleaned(str(error)))
    if isinstance(error, WorkerStops):
        return UNFINISHED
    return AttemptResult(AttemptOutcome.RETRYABLE, "handler_error", described(error))


def described(error: BaseException) -> str:
    """Name an exception of a user's code and the line that raised it."""
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        text += f" ({frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name})"
    return cleaned(text)


def cleaned(text: str) -> str:
    """Make a message storable everywhere: no NUL, no lone surrogates, a bounded length."""
    readable = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return readable[:MESSAGE_LIMIT]


def unknown(name: str) -> AttemptResult:
    """Judge a delivery whose handler the configuration does not name any more."""
    return AttemptResult(
        AttemptOutcome.RETRYABLE,
        "unknown_handler",
        f"No handler is named {name!r} any more. Put it back and restart, or let this expire.",
    )


def _timed_out(handler: Handler) -> AttemptResult:
    return AttemptResult(
        AttemptOutcome.TIMED_OUT,
        "timeout",
        f"The handler was stopped at its limit of {handler.time_limit_seconds:g} s.",
    )
