"""One attempt to tell people: write the message, and have it sent by its destination's kind."""

import asyncio
from collections.abc import Callable, Sequence

from dramatiq.middleware.time_limit import TimeLimitExceeded

from actors.attempts import apprise, email, slack
from actors.batch import now_ms
from actors.middleware.limits import HARD_GRACE_SECONDS, Limits
from ingest import report
from ingest.config.model import Destination
from ingest.events import AttemptOutcome, AttemptResult, Claimed, DestinationKind, Event
from ingest.message import Written
from ingest.outbound import Door
from ingest.templates import TemplateFailed

#: Sends a message through a Door, on whatever event loop there is.
Post = Callable[[Written], AttemptResult]


def attempt(
    to: Destination,
    claimed: Claimed,
    events: Sequence[Event],
    count: int,
    limits: Limits,
    post: Post,
) -> AttemptResult:
    """Tell of ``count`` events, of which some are given, in this thread, interrupted at the limit.

    ``post`` is for Slack.
    """
    try:
        with limits.limit(to.timeout_seconds):
            written = _written(to, events, count)
            if to.kind is DestinationKind.EMAIL:
                return email.attempt(to, claimed, written, now_ms())
            if to.kind is DestinationKind.APPRISE:
                return apprise.attempt(to, written)
        # It keeps a limit of its own; an event loop that is blocked keeps none.
        with limits.limit(to.timeout_seconds + HARD_GRACE_SECONDS):
            return post(written)
    except TimeLimitExceeded:
        return _timed_out(to)
    except TemplateFailed as error:
        return AttemptResult(AttemptOutcome.RETRYABLE, "template_failed", str(error))


def alone(to: Destination | None, claimed: Claimed, limits: Limits) -> AttemptResult:
    """Tell of one delivery in a process of its own, that has no event loop."""
    if to is None:
        return unknown(claimed.destination)

    async def through_a_door(written: Written) -> AttemptResult:
        door = Door(1)
        try:
            return await slack.attempt(door, to, written, now_ms())
        finally:
            await door.close()

    return attempt(
        to,
        claimed,
        (claimed.event,),
        1,
        limits,
        lambda written: asyncio.run(through_a_door(written)),
    )


def unknown(name: str) -> AttemptResult:
    """Judge a delivery whose destination the configuration does not name any more."""
    return AttemptResult(
        AttemptOutcome.RETRYABLE,
        "unknown_destination",
        f"hookkeeper.toml has no destination {name!r} any more. Put it back, or let this expire.",
    )


def _written(to: Destination, events: Sequence[Event], count: int) -> Written:
    if to.message is None:
        raise TemplateFailed(f"{to.name} was for people when this was routed, and is no more.")
    own = to.kind is DestinationKind.EMAIL and report.is_report(events, count)
    return (report.message() if own else to.message).write(to.name, events, count)


def _timed_out(to: Destination) -> AttemptResult:
    return AttemptResult(
        AttemptOutcome.TIMED_OUT,
        "timeout",
        f"It was not sent within {to.timeout_seconds:g} s; it may have arrived all the same.",
    )
