"""One event with its whole story, as ``events show`` tells it."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.cli import output
from ingest.store import Database, queries
from ingest.store.queries import AttemptRow, ConflictRow, DeliveryRow, StoredEvent

#: A preview on a terminal ends here; --body writes all of it.
_PREVIEW_CHARACTERS = 4_000
_CONFLICTS_SHOWN = 3


@dataclass(frozen=True)
class Told:
    """A delivery and its attempts."""

    delivery: DeliveryRow
    attempts: Sequence[AttemptRow]


@dataclass(frozen=True)
class Story:
    """An event and everything that came of it."""

    event: StoredEvent
    deliveries: Sequence[Told]
    conflicts: Sequence[ConflictRow] = ()


def story(database: Database, prefix: str) -> Story:
    """Read an event by its id or the start of it. Raises NotFound."""
    event = queries.get_event(database, prefix)
    deliveries = queries.list_deliveries(database, event_id=event.id)
    return Story(
        event,
        [Told(each, queries.list_attempts(database, each.id)) for each in deliveries],
        queries.list_conflicts(database, event.id),
    )


def tell(found: Story) -> None:
    """Print it for a person."""
    event = found.event
    facts = {
        "event": event.id,
        "source": event.source,
        "type": _type(event),
        "provider's id": event.provider_event_id or "(none)",
        "received": output.moment(event.received_at),
        "content type": event.content_type or "(none)",
        "body": f"{len(event.body):,} bytes",
        "proved by": event.secret_name or "(no secret)",
        "generation": event.generation,
        "trace": event.trace_id,
    }
    for name, value in facts.items():
        print(f"{name:<14} {output.printable(value)}")
    print()
    if not found.deliveries:
        print("No deliveries (yet): no route and no handler took it, or it was not dispatched yet.")
    for told in found.deliveries:
        _tell_delivery(told)
    print()
    print(preview(event.body))
    for other in found.conflicts[:_CONFLICTS_SHOWN]:
        at = output.moment(other.received_at)
        print(f"\n{at} the same id came with another body, kept and not delivered:")
        print(preview(other.body))
    if len(found.conflicts) > _CONFLICTS_SHOWN:
        print(f"\n... {len(found.conflicts)} other bodies in all; --json has them")


def _type(event: StoredEvent) -> str:
    """The event's type, and whether somebody other than the sender may have said it."""
    if not event.type:
        return "(none)"
    if event.type_signed is False and event.secret_name is not None:
        return f"{event.type} (not signed: what proved the request does not cover all of it)"
    return event.type


def _tell_delivery(told: Told) -> None:
    delivery = told.delivery
    line = f"-> {delivery.destination} ({delivery.kind}): {delivery.state}"
    if delivery.wake_at is not None:
        line += f", next try {output.moment(delivery.wake_at)}"
    if delivery.generation:
        line += f", generation {delivery.generation}"
    print(f"{output.printable(line)}  {delivery.id}")
    for attempt in told.attempts:
        took = f"{attempt.finished_at - attempt.started_at:,} ms"
        parts = [f"   {attempt.number}.", output.moment(attempt.started_at), took, attempt.outcome]
        parts += [str(part) for part in (attempt.status, attempt.code, attempt.message) if part]
        print(output.printable(" ".join(parts)))


def preview(body: bytes) -> str:
    """A body for a terminal: JSON indented, other text as it is, bytes by their count."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body):,} bytes that are not UTF-8; --body writes them as they are)"
    with contextlib.suppress(ValueError, RecursionError):  # not JSON: shown as it came
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    shown = "\n".join(output.printable(line) for line in text[:_PREVIEW_CHARACTERS].split("\n"))
    if len(text) > _PREVIEW_CHARACTERS:
        shown += f"\n... {len(body):,} bytes in all; --body writes them"
    return shown
