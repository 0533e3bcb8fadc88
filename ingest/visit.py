"""One request, what becomes known of it, and what its sender hears in the end."""

from dataclasses import dataclass, field
from typing import Any

from ingest import answers, body
from ingest.acceptor import Stored
from ingest.answers import Answer, Outcome
from ingest.config.model import Source
from ingest.entrances import Entrance
from ingest.errors import RowRejected, StoreUnavailable
from ingest.events import Accepted
from ingest.heading import Heading
from ingest.learner import CLOSED
from ingest.verify import Reason, Rejected, Request
from ingest.verify.handshakes.response import Response
from ingest.verify.key_set import NeedsKey

_SHOWN_NAME = 100


@dataclass(slots=True)
class Visit:
    """One request, and what becomes known of it until its log line is written."""

    entrance: Entrance
    lease: body.Lease
    name: str
    method: str
    now: int
    started: float
    trace_id: str
    heading: Heading = field(init=False)  # of a request that was let in
    size: int = 0
    event_id: str = ""
    event_type: str = ""
    detail: str = ""
    unproved: tuple[Request, Rejected] | None = None
    handshake: tuple[Request, Answer] | None = None  # to be said once its secret is stored
    wanted: Response | None = None  # to be said once the event is stored, in the provider's words


@dataclass(frozen=True, slots=True)
class Confirming:
    """A proved question that is answered with ``greeting`` once its ``url`` was fetched."""

    url: str
    greeting: Answer


def unproved(source: Source, visit: Visit, request: Request, verdict: Rejected) -> Answer:
    """Say to a sender that its request is not proved, and note it so that it is kept."""
    visit.detail = verdict.detail
    visit.unproved = request, verdict
    if verdict.reason is Reason.NO_SECRET:  # the operator's mistake: the sender should not give up
        return answers.unavailable("no_secret", "This source has no secret that is in force.")
    if isinstance(verdict, NeedsKey) and not verdict.document_known:
        return answers.unavailable("no_key", "The sender's public keys cannot be fetched now.")
    return answers.unproved(source.provider, verdict.reason)


def not_taken(source: Source, error: body.NotTaken) -> Answer:
    """What a sender hears whose body was not taken in."""
    if isinstance(error, body.BodyTooLarge):
        message = f"This source takes bodies of at most {source.max_body} bytes."
        return answers.rejected(413, "too_large", message, close=error.unread)
    if isinstance(error, body.TooSlow):
        return answers.rejected(408, "too_slow", "The body took too long.", close=True)
    return answers.IN_FLIGHT


def said(source: Source, visit: Visit, stored: Stored) -> Answer:
    """What a sender hears of a commit."""
    if visit.handshake is not None and not isinstance(stored, StoreUnavailable):
        request, greeting = visit.handshake
        if isinstance(stored, Accepted):
            return greeting
        return unproved(source, visit, request, CLOSED)
    if isinstance(stored, StoreUnavailable):
        visit.detail = str(stored)
        return answers.unavailable("database", "The event could not be committed in time.")
    if isinstance(stored, RowRejected):
        # What we derive is cleaned, so this is a mistake of ours: never a 4xx.
        visit.detail = str(stored)
        return answers.unavailable("not_storable", "The event could not be stored as it is.")
    visit.event_id = stored.event_id
    if not stored.duplicate:
        return answers.accepted(source.provider, stored.event_id, visit.wanted)
    if stored.conflicting:
        visit.detail = "another body under the same id; it is kept beside the first"
    return answers.duplicate(source.provider, stored.event_id, visit.wanted)


def log_end(log: Any, visit: Visit, answer: Answer, seconds: float) -> None:
    """Write the one line of a request; ``seconds`` is how long it took."""
    fields: dict[str, object] = {
        "trace_id": visit.trace_id,
        "source": visit.entrance.label,
        "bytes": visit.size,
        "duration_ms": round(seconds * 1000, 2),
    }
    if visit.detail:
        fields["detail"] = visit.detail
    if answer.outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE):
        fields |= {"event_id": visit.event_id, "type": visit.event_type}
    else:
        fields |= {"status": answer.status, "method": visit.method, "reason": answer.reason}
    if visit.entrance.source is None:
        fields["requested"] = visit.name[:_SHOWN_NAME]
    match answer.outcome:
        case Outcome.ACCEPTED:
            log.info("event.accepted", **fields)
        case Outcome.DUPLICATE:
            log.info("event.duplicate", **fields)
        case Outcome.HANDSHAKE:
            log.info("handshake.answered", **fields)
        case Outcome.REJECTED:
            log.warning("request.rejected", **fields)
        case Outcome.SHED:
            log.warning("request.shed", **fields)
