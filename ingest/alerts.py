"""When Hookkeeper itself has something to tell, and in which words. Pure.

An alert is of one name and one subject (a destination, a source, a queue), and fires or is
resolved. Each change is told as an event of the built-in source, which is routed, retried and
shown like any other. What goes on is told again after a cool-down, what flaps not before it.
"""

import enum
from dataclasses import dataclass, replace
from typing import Any

from ingest.config.durations import format_duration


class AlertName(enum.StrEnum):
    """What can be wrong."""

    DEAD_LETTER = "dead_letter"
    DESTINATION_FAILING = "destination_failing"
    BAD_SIGNATURES = "bad_signatures"
    BACKLOG = "backlog"


class AlertState(enum.StrEnum):
    """``resolved -> firing -> resolved``."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that is wrong now: how many of it, and for how long (``lasted_ms``) where known."""

    name: AlertName
    subject: str
    count: int
    lasted_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered of an alert; times in ms. ``last_event_at``: when it was told firing."""

    state: AlertState
    since: int
    last_event_at: int | None
    count: int


def decide(
    before: Standing | None, seen: Seen | None, now: int, cooldown_ms: int
) -> tuple[Standing | None, AlertState | None]:
    """What is to be remembered now, and what is to be told, if anything.

    ``seen`` None: it is not wrong any more.
    """
    fired = before is not None and before.state is AlertState.FIRING
    if seen is None:
        if before is None or not fired:
            return before, None
        told = before.last_event_at is not None and before.last_event_at >= before.since
        resolved = replace(before, state=AlertState.RESOLVED, since=now)
        return resolved, AlertState.RESOLVED if told else None
    last = before.last_event_at if before else None
    since = before.since if before and fired else now
    if last is not None and now - last < cooldown_ms:
        return Standing(AlertState.FIRING, since, last, seen.count), None
    return Standing(AlertState.FIRING, since, now, seen.count), AlertState.FIRING


def event_type(name: AlertName, state: AlertState) -> str:
    """``alert.backlog``, and ``alert.backlog.resolved``, which a route for the first wants, too."""
    return f"alert.{name}" if state is AlertState.FIRING else f"alert.{name}.resolved"


def content(
    name: AlertName, subject: str, state: AlertState, standing: Standing, lasted_ms: int | None
) -> dict[str, Any]:
    """The body of the event. ``summary`` is what the default templates say."""
    firing, resolved, advice = _WORDS[name]
    words = firing if state is AlertState.FIRING else resolved
    summary = words.format(
        subject=subject,
        count=f"{standing.count:,}",
        lasted=format_duration((lasted_ms or 0) // 1_000 * 1_000),
    )
    return {
        "alert": name,
        "state": state,
        "subject": subject,
        "since": standing.since,
        "count": standing.count,
        "lasted_ms": lasted_ms,
        "summary": summary,
        "advice": advice.format(subject=subject),
    }


#: For each alert: firing, resolved, and what to do.
_WORDS: dict[AlertName, tuple[str, str, str]] = {
    AlertName.DEAD_LETTER: (
        "{count} deliveries to {subject} were given up.",
        "No more deliveries to {subject} are given up.",
        "hookkeeper dead list --destination {subject}",
    ),
    AlertName.DESTINATION_FAILING: (
        "{subject} takes nothing: {count} deliveries are being retried, the oldest for {lasted}.",
        "{subject} takes deliveries again.",
        "hookkeeper destinations test {subject}",
    ),
    AlertName.BAD_SIGNATURES: (
        "{count} requests to {subject} were refused for their signature.",
        "Requests to {subject} are signed as they should be again.",
        "Compare the secret of [sources.{subject}] with the sender's.",
    ),
    AlertName.BACKLOG: (
        "The queue {subject} is {lasted} behind; {count} wait.",
        "The queue {subject} has caught up.",
        "hookkeeper doctor",
    ),
}
