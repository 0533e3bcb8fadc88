"""The nouns of the pipeline and their states: one spelling for SQL, code, metrics and people.

This module imports nothing of ours. All times are integer milliseconds since the Unix epoch,
UTC, unless a name says otherwise. All ids are UUIDv7 strings in the usual 36 characters.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import orjson


class EventState(enum.StrEnum):
    """``stored -> dispatched | unmatched``; a replay returns an event to ``stored``."""

    STORED = "stored"
    DISPATCHED = "dispatched"
    UNMATCHED = "unmatched"


class DeliveryState(enum.StrEnum):
    """``waiting -> running -> succeeded | waiting (retry) | dead | quarantined | cancelled``."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"


#: States that nothing leaves any more; a replay makes a new delivery instead.
TERMINAL = frozenset(
    {
        DeliveryState.SUCCEEDED,
        DeliveryState.DEAD,
        DeliveryState.QUARANTINED,
        DeliveryState.CANCELLED,
    }
)


class DestinationKind(enum.StrEnum):
    """What a delivery does: POST to a URL, call a Python handler, or tell people."""

    HTTP = "http"
    PYTHON = "python"
    EMAIL = "email"
    SLACK = "slack"
    APPRISE = "apprise"


class AttemptOutcome(enum.StrEnum):
    """How one attempt ended. ``crashed`` means that it never said: its process died."""

    SUCCEEDED = "succeeded"
    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Event:
    """One verified webhook, as handlers and destinations see it.

    ``body`` is exactly what the sender posted. ``headers`` keep their order and repetitions;
    credential values in ``headers`` and ``query`` are keyed digests. ``type`` is "" where the
    provider names none. ``generation`` is 0 at first delivery and grows with every replay.
    ``handler`` is the name of the handler that this one was given to, "" elsewhere.

    ``type_signed``: whether the signature covers all that the type was taken from, so that only
    the sender can have said it. None where that is not known: Hookkeeper's own events, which no
    request brought, and what was stored before migration 0008.
    """

    id: str
    source: str
    type: str
    provider_event_id: str | None
    received_at: int
    headers: tuple[tuple[str, str], ...]
    query: str
    content_type: str
    body: bytes
    trace_id: str
    generation: int = 0
    handler: str = ""
    type_signed: bool | None = None

    @cached_property
    def _json(self) -> Any:
        return orjson.loads(self.body)

    def json(self) -> Any:
        """The body parsed as JSON, once. Raises ``orjson.JSONDecodeError`` (a ValueError)."""
        return self._json

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


class Arrival(NamedTuple):
    """A verified request on its way into the store.

    ``dedupe_key`` None: never a duplicate; else it counts for ``dedupe_for_ms`` from the commit on.

    ``headers`` are spelled as by ``header_pairs.headers_text``. A named tuple, because it is built
    for every request and crosses to the writer's process.
    """

    event_id: str
    source: str
    type: str
    provider_event_id: str | None
    received_at: int
    headers: str
    query: str
    content_type: str
    body: bytes
    body_sha256: bytes
    trace_id: str
    secret_name: str | None
    type_signed: bool | None
    dedupe_key: bytes | None
    dedupe_for_ms: int | None


class Accepted(NamedTuple):
    """What a commit said of one arrival: its own id, or the first event's if a duplicate.

    ``conflicting`` marks a duplicate whose body differs from the first one's; it is kept.
    """

    event_id: str
    duplicate: bool = False
    conflicting: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryRef:
    """What the wire needs to know of a waiting delivery.

    ``alone``: an earlier start ended without an outcome, so it shares no message.
    """

    id: str
    destination: str
    kind: DestinationKind
    queue: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One place a route sends an event to, as dispatch writes it into a delivery row.

    ``digest_ms``: it waits for the end of a window of so many milliseconds; 0: it does not.
    """

    destination: str
    kind: DestinationKind
    queue: str
    digest_ms: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker process holds, with its event.

    ``starts`` counts claims, this one included, and fences the outcome; ``attempts`` counts
    recorded outcomes before this claim; ``crashes`` counts starts that never reported.
    """

    delivery_id: str
    event: Event
    destination: str
    kind: DestinationKind
    queue: str
    generation: int
    starts: int
    attempts: int
    crashes: int
    created_at: int
    started_at: int
    waited_ms: int


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What running one delivery came to, before any decision about what happens next.

    ``code`` is a short stable word (``http_503``, ``timeout``, ``refused_address``,
    ``handler_error``); ``message`` is for people, at most 2,000 characters. ``riders`` are other
    waiting deliveries that the same message spoke for (a digest): they share what it came to.
    """

    outcome: AttemptOutcome
    code: str = ""
    message: str = ""
    status: int | None = None
    retry_after_ms: int | None = None
    riders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision to be written: the attempt as it was, and the delivery's next state."""

    delivery_id: str
    starts: int
    state: DeliveryState
    wake_at: int | None
    result: AttemptResult
    started_at: int
    finished_at: int
